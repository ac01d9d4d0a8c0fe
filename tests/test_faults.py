"""Kills, disks, clocks and other drivers: whatever happens to a command, the outcome is the same and is reported.

``docs/faults.md`` has a line for each; a line's test is named there. The data is a database of frames in miniature, so
that a command has all that one has: a store to build, folds, writes, runs to put together, a table.
"""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cases import each
from support.faults import (
    ARRAYS,
    COMPACTION,
    FOLD,
    FOLDS,
    GRID,
    MAJORITY,
    STORE,
    by_themselves,
    check_marks,
    made_world,
    processes_of,
    recorded,
    refused,
    wait_for,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory, miniature):
    with made_world(tmp_path_factory.mktemp("faults"), miniature) as made:
        yield made


# --- kill -9 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_a_killed_grid_loses_and_repeats_no_fold(world, least):
    """Half of the kills at random moments of a command's life, the others while it writes the store, folds, or a whole
    run's predictions; each time the same command is given again. A grid that gets to its end is held against the
    undisturbed one, and another is begun."""
    draw = random.Random(20)
    kills, grids, hit = 0, 0, dict.fromkeys(["store", "folds", "compaction"], 0)
    folder = world.place(f"killed-{least}-0")
    while kills < least:
        building = len(list(folder.glob("home/store/*/*/*.npy"))) < ARRAYS
        aim = ["anywhere", "store" if building else draw.choice(["folds", "folds", "compaction"])][kills % 2]
        if aim == "anywhere":
            kill = {"after": draw.uniform(0, world.life)}
        else:
            at, most = {"store": (STORE, 12), "folds": (FOLD, 20), "compaction": (COMPACTION, 3)}[aim]
            kill = {"at": at, "number": draw.randint(1, most), "after": draw.choice([0, draw.uniform(0, 0.004)])}
        before = recorded(folder)
        said = world.run(folder, *GRID, home=str(folder / "home"), kill=kill)
        after = recorded(folder)
        assert {path: after.get(path) for path in before} == before  # not lost, not trained or built again
        check_marks(folder)
        if said.code == -signal.SIGKILL:
            kills += 1
            if aim != "anywhere":
                hit[aim] += 1
            continue
        assert (said.code, said.err) == (0, ""), said
        world.check_whole(folder)
        grids += 1
        folder = world.place(f"killed-{least}-{grids}")
    world.done(folder, *GRID, home=str(folder / "home"))
    world.check_whole(folder)
    assert least < 60 or min(hit.values()) >= 3, hit


@pytest.mark.slow
def test_the_real_command_is_killed_too(world):
    """Once before anything is recorded, once among the folds; then it runs to its end."""
    folder = world.place("true")
    command = [sys.executable, "-m", "merbench", *GRID]
    environment = world.run.environment | {"MERBENCH_HOME": str(folder / "home")}

    def there():
        return len(list(folder.glob("results/runs/*/folds/*/record.json")))

    for least in (0, 2 * FOLDS):
        process = subprocess.Popen(
            command, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        while not (there() >= least and (folder / "home" / "store").exists()) and process.poll() is None:
            time.sleep(0.001)
        before = recorded(folder)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        after = recorded(folder)
        assert {path: after.get(path) for path in before} == before
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    after = recorded(folder) | after
    assert recorded(folder) == after
    world.check_whole(folder)


@pytest.mark.slow
def test_a_killed_redo_leaves_no_table_without_its_folds(world):
    folder = world.place("redone")
    world.done(folder, *GRID)
    draw = random.Random(4)
    for _ in range(6):
        kill = {"at": FOLD, "number": draw.randint(1, 40), "after": 0}
        said = world.run(folder, *GRID, "--existing", "redo", kill=kill)
        assert said.code == -signal.SIGKILL, said
        check_marks(folder)
        rows = [row for row in world.compared(folder) if row["status"] == "complete"]
        assert all(row in by_themselves(world.table) for row in by_themselves(rows))
    world.done(folder, *GRID)
    world.check_whole(folder)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_killed_driver_leaves_no_worker_and_another_takes_over(world):
    """kill -9 of the driver alone, not of its process group: Ray's processes end by themselves."""
    folder = world.place("workers")
    command = [sys.executable, "-m", "merbench", "run", "near", "--protocol", "mini.yaml", "--seeds", "0-2"]
    environment = world.run.environment | {"MERBENCH_HOME": str(folder / "home")}
    slow = environment | {"SECONDS_A_FOLD": "5"}
    with (folder / "said").open("w") as said:
        first = subprocess.Popen(
            [*command, "--workers", "2"], cwd=folder, env=slow, start_new_session=True, stdout=said, stderr=said
        )
    waiting = None
    try:
        wait_for(lambda: any(folder.glob("results/runs/*/folds/*/record.json")) or first.poll() is not None)
        assert first.poll() is None, (folder / "said").read_text()
        waiting = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        for line in waiting.stdout:
            if "another process is working on it; waiting" in line:
                break
        workers = processes_of(first.pid)
        first.kill()
        assert first.wait() == -signal.SIGKILL
        before = {path: kept for path, kept in recorded(folder).items() if path.name != "complete.json"}
        assert len(workers) > 3
        wait_for(lambda: not processes_of(first.pid))
        waiting.communicate(timeout=300)
        assert waiting.returncode == 0
    finally:
        for pid in processes_of(first.pid):
            os.kill(pid, signal.SIGKILL)
        if waiting and waiting.poll() is None:
            waiting.kill()
    assert recorded(folder).items() >= before.items()
    expected = [row for row in world.table if row["method"] == "near"]
    assert by_themselves(world.compared(folder)) == by_themselves(expected)


# --- disks ----------------------------------------------------------------------------------------------------------

ERRORS = (
    ("results", errno.ENOSPC, "No space left on device"),
    ("results", errno.EROFS, "Read-only file system"),
    ("store", errno.EDQUOT, "Disk quota exceeded"),
    ("store", errno.EACCES, "Permission denied"),
    ("store", errno.EIO, "Input/output error"),
)


@pytest.mark.slow
def test_a_disk_that_fails_at_any_change_is_reported(world):
    """The disk fails at the first change that the command makes there and at all later ones; then at the second, ...;
    each time the same command is given again."""
    for place, number, reason in each(ERRORS):
        folder = world.place(f"{place}-{number}")
        home, where, method = {
            "results": (world.run.home, folder / "results", "majority"),
            "store": (folder / "home", folder / "home" / "store", "near"),
        }[place]
        grid = ("run", method, "--protocol", "mini.yaml")
        for allowed in range(50):
            before = recorded(folder)
            fault = {"at": f"^{re.escape(str(where))}", "number": 1 + 4 * allowed, "errno": number}
            said = world.run(folder, *grid, home=str(home), fault=fault)
            if said.code == 0:
                break
            line = refused(said)
            assert f"can't be written ({reason})" in line
            assert str(where) in line
            assert recorded(folder).items() >= before.items()
            check_marks(folder)
        assert allowed > 3
        assert said.err == ""
        assert not list(where.rglob("*.tmp"))
        world.check_same(folder)


def test_a_home_that_fails_keeps_its_registrations(world):
    folder = world.place("registering")
    before = (folder / "home" / "databases.json").read_bytes()
    for number in range(1, 4):
        fault = {"at": r"/home/databases\.", "number": number, "errno": errno.ENOSPC}
        said = world.run(folder, "data", "add", "smic-hs", world.root / "SMIC", home=str(folder / "home"), fault=fault)
        assert "databases.json can't be written (No space left on device)" in refused(said)
        assert (folder / "home" / "databases.json").read_bytes() == before


MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture
def mounted(world, tmp_path):
    """Return what runs lines of a shell that may mount file systems, of which nothing stays."""
    script = "mkdir x && mount -t tmpfs tmpfs x && mount -o remount,ro x"
    try:
        subprocess.run([*MOUNTS, "sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"file systems can't be mounted here: {error}")

    def run(folder, script):
        environment = world.run.environment | {"MERBENCH": f"{sys.executable} -m merbench"}
        return subprocess.run(
            [*MOUNTS, "sh", "-uc", script], cwd=folder, env=environment, capture_output=True, text=True
        )

    return run


@pytest.mark.slow
def test_a_full_or_read_only_disk_is_reported_once(world, mounted):
    folder = world.place("mounted")
    ended = mounted(
        folder,
        """
        mkdir results
        mount -t tmpfs -o size=64k tmpfs results
        $MERBENCH run near --protocol mini.yaml >out 2>full; echo $?
        mount -o remount,size=64m results
        $MERBENCH run near --protocol mini.yaml >out 2>&1; echo $?
        mount -o remount,ro results
        $MERBENCH run far --protocol mini.yaml >out 2>read-only; echo $?
        $MERBENCH compare --format json >table 2>&1; echo $?
        cp -r results/runs kept
        """,
    )
    assert ended.stdout.split() == ["2", "0", "2", "0"], ended
    for name, reason in (("full", "No space left on device"), ("read-only", "Read-only file system")):
        (line,) = (folder / name).read_text().splitlines()
        assert f"can't be written ({reason})" in line
    assert {row["method"] for row in json.loads((folder / "table").read_text())} == {"near"}
    (kept,) = (folder / "kept").iterdir()
    same = world.undisturbed / "results" / "runs" / kept.name / "predictions.parquet"
    assert (kept / "predictions.parquet").read_bytes() == same.read_bytes()


# --- records, clocks, drivers, versions -----------------------------------------------------------------------------

CHANGES = {
    "predictions changed": "printf x >> smic-hs--s01/predictions.parquet",
    "predictions gone": "rm smic-hs--s01/predictions.parquet",
    "record truncated": "printf '{' > smic-hs--s01/record.json",
    "record of another fold": "cp smic-hs--s02/record.json smic-hs--s01/record.json",
    "fold gone": "rm -r smic-hs--s01",
}


@pytest.mark.slow
def test_a_fold_changed_during_its_run_is_reported_and_run_again(world):
    for change in each(CHANGES):
        folder = world.place(change)
        command = ["sh", "-ec", f"cd results/runs/majority-*/folds; {CHANGES[change]}"]
        meanwhile = {"at": r"/folds/smic-hs--s06/\.record", "number": 1, "command": command}
        said = world.run(folder, *MAJORITY, meanwhile=meanwhile)
        assert (said.code, said.err) == (1, ""), said
        assert "is incomplete: " in said.out.splitlines()[-1]
        assert "smic-hs" in said.out.splitlines()[-1]
        assert not list(folder.glob("results/runs/*/complete.json"))
        world.done(folder, *MAJORITY)
        world.check_same(folder)


YEAR = 365 * 24 * 3600.0
NEWER = {"merbench.engine:CODE_VERSION": 99}


@pytest.mark.slow
def test_a_jumping_clock_changes_no_figure_and_no_duration(world):
    for errors in each(((YEAR, -YEAR, 0.0), (-30 * YEAR,), (50 * YEAR,))):
        folder = world.place(f"clock{errors[0]}")
        world.done(folder, *GRID, clock=errors)
        world.check_whole(folder)
        for mark in folder.glob("results/runs/*/folds/*/record.json"):
            assert all(0 <= value < 1000 for value in json.loads(mark.read_bytes())["seconds"].values())


def test_a_later_run_is_shown_although_the_clock_was_put_back(world):
    for first in each((0.0, 50 * YEAR)):
        folder = world.place(f"later{first}")
        world.done(folder, *MAJORITY, clock=[first])
        (old,) = (folder / "results" / "runs").iterdir()
        said = world.done(folder, *MAJORITY, clock=[first - 10 * YEAR], values=NEWER)
        assert "the system clock" in said.out
        (new,) = set((folder / "results" / "runs").iterdir()) - {old}
        assert f"{new.name} counts as the newest" in said.out
        shown = world.run(folder, "compare", "--format", "json")
        assert {run for row in json.loads(shown.out) for run in row["run_ids"]} == {new.name}
        assert "--older" in shown.err


@pytest.mark.slow
def test_two_drivers_on_one_grid_train_each_fold_once(world):
    folder = world.place("two")
    backwards = ("run", "far", "near", "majority", *GRID[4:])
    both = world.run.together(folder, GRID, backwards)
    assert [(said.code, said.err) for said in both] == [(0, "")] * 2, both
    world.check_whole(folder)
    done = [sum(int(n) for n in re.findall(r"^trained (\d)$", said.out, re.MULTILINE)) for said in both]
    assert sum(done) == 2 * 3 * FOLDS
    assert not any("the system clock" in said.out for said in both)


def test_another_version_records_a_new_run_and_says_so(world):
    """The older one's records stay as they are, and count again for it."""
    folder = world.place("versions")
    grid = ("run", "majority", "near", "--protocol", "mini.yaml")
    world.done(folder, *grid)
    before = recorded(folder)
    old = {path.name for path in (folder / "results" / "runs").iterdir()}
    dry = world.run(folder, *grid, "--dry-run", values=NEWER)
    assert f"{2 * FOLDS} of {2 * FOLDS} folds would run" in dry.out
    for run_id in old:
        assert f"earlier runs are kept but do not count: {run_id}; changed since: merbench's engine code" in dry.out
    assert "earlier runs are kept but do not count" in world.done(folder, *grid, values=NEWER).out
    assert "nothing to do" in world.run(folder, *grid, values=NEWER).out
    assert recorded(folder).items() >= before.items()
    shown = world.run(folder, "compare", "--format", "json")
    ids = {run for row in json.loads(shown.out) for run in row["run_ids"]}
    assert len(ids) == 2
    assert not ids & old
    assert shown.err.count("--older") == 2
    assert "nothing to do" in world.run(folder, *grid).out


def test_a_run_of_a_later_merbench_is_refused(world):
    folder = world.place("future")
    world.done(folder, *MAJORITY)
    (file,) = folder.glob("results/runs/*/run.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 2}))
    before = {path: path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()}
    assert "schema version 2, this merbench reads up to 1: update merbench" in refused(world.run(folder, *MAJORITY))
    said = world.run(folder, "compare", "--format", "json")
    assert (said.code, json.loads(said.out)) == (0, [])
    assert "update merbench" in said.err
    assert {path: path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()} == before
