"""Every protocol that ships, from nothing: synthetic copies are written, added, run, and give a table."""

import shutil

import pytest
from support.cases import each, says
from support.own import write_table

from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import PROTOCOLS

pytestmark = [pytest.mark.usefixtures("quick_flow"), pytest.mark.slow]
MADE = ("data", "synthesize", "--pixels", "96", "--frames", "3", "--out", "made")
TASKS = {"classification": ("majority", "svm-flow"), "au-detection": ("always-shown", "svm-flow-aus")}


def test_every_protocol_that_ships_runs_on_synthetic_copies(done, refused, tmp_path, home):
    says(done(*MADE, "--layout", "all"), "synthetic-layouts-pixels96-frames3: 186 clips", "use it with --data")
    says(done("data", "add", "synthetic-layouts", "made"), "synthetic-layouts: synthetic trees of casme, casme2, samm")
    specs = PROTOCOLS.load_all()[0]
    for task, methods in TASKS.items():
        names = [name for name, spec in specs.items() if spec.task == task]
        options = [word for name in names for word in ("--protocol", name)]
        said = done("run", *methods, *options, "--data", "synthetic-layouts")
        says(said, "differs from casme-au" if task != "classification" else "differs from megc2019: ")
        assert "failed" not in said, said
        for name in each(names):
            table = done("compare", "--protocol", name, "--no-published", "--no-leaderboard")
            says(table, f"{name} on synthetic-layouts-pixels96-frames3", *methods)
    refused("run", "majority", "--protocol", "dfme-7", "--protocol", "4dme-au", "--data", "synthetic-layouts")


def test_crossed_databases_and_ones_own_data_run_beside_them(done, refused, tmp_path, home):
    done(*MADE, *(word for name in ("casme2", "4dme", "cas-me-2", "samm-lv") for word in ("--layout", name)))
    done("data", "add", "synthetic-layouts", "made")
    done(*MADE[:-1], "others", "--layout", "casme2", "--seed", 1)
    clips = DATABASES.get("synthetic-layouts").read(tmp_path / "others").clips.head(8)
    shutil.copytree(tmp_path / "others" / "casme2" / "CASME2-RAW", tmp_path / "lab")
    words = ("happiness", "disgust", "surprise", "sad")
    rows = [
        [
            f"P{number % 2}",
            f"c{number}",
            words[number % 4],
            row.onset,
            row.apex,
            row.offset,
            row.path.partition("RAW/")[2],
        ]
        for number, row in enumerate(clips.itertuples())
    ]
    table = write_table(tmp_path / "clips.csv", rows, ["subject", "clip", "emotion", "onset", "apex", "offset", "path"])
    done("data", "add", "my-lab", "--clips", table, "--frames", "lab")
    both = ("--data", "synthetic-layouts+my-lab")
    for pattern in each(("lodo:my-lab+casme2+4dme", "cross:cas-me-2+casme2->my-lab", "cross:my-lab->4dme")):
        said = done("run", "majority", "svm-flow", "--protocol", pattern, *both)
        assert "failed" not in said, said
        says(said, "svm-flow")
    refused("run", "majority", "--protocol", "lodo:my-lab+samm-lv", *both)
    table.write_text(table.read_text().replace("sad", "bored"))
    refused("run", "majority", "--protocol", "lodo:my-lab+casme2", *both)
    shutil.rmtree(tmp_path / "made" / "casme2" / "CASME2-RAW")
    shutil.copytree(tmp_path / "lab", tmp_path / "made" / "casme2" / "CASME2-RAW")  # the same pictures in both
    table.write_text(table.read_text().replace("bored", "sad"))
    refused("run", "majority", "--protocol", "lodo:my-lab+casme2", *both)
    says(done("protocols", "lodo:my-lab+casme2"), "name: lodo-casme2.my-lab", "my-lab:")
    DATABASES.forget()
