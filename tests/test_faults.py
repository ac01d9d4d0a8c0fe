"""Kills, disks, clocks and other drivers: whatever happens to a command, one outcome, and it is told.

``docs/faults.md`` has a line for each; a line's test is named there. The data is a database of frames in miniature, so
that a command has all that one has: a store to build, folds, writes, runs to put together, a table.
"""

import hashlib
import importlib.util
import json
import random
import signal
import sys
from pathlib import Path
from textwrap import dedent

import pytest

FOLDS = 6
#: majority has one seed, the two methods of the tests three each
RUNS = 7
GRID = ("run", "majority", "near", "far", "--protocol", "mini.yaml", "--seeds", "0-2")
KILLS = 60
STORE = r"/store/.*\.tmp$"
COMPACTION = r"/runs/[^/]+/\.?(predictions\.parquet|complete\.json)"

PROTOCOL = """
    name: mini
    title: Mini
    summary: One dataset.
    source: {text: made for the tests}
    classes: [negative, positive, surprise]
    datasets:
      smic-hs:
        title: SMIC
        classes: {negative: [negative], positive: [positive], surprise: [surprise]}
    folds: leave-one-subject-out
"""
CARD = """
    name: NAME
    title: A cheap method of the tests
    summary: Draws a plane at random.
    implementation: method:Plane
    inputs:
      pictures: INPUT
"""
METHOD = """
    import numpy as np
    from merbench.contracts.methods import MethodConfig, Prediction

    class Plane:
        Config = MethodConfig
        def __init__(self, config, problem):
            self.outputs = len(problem.outputs)
        def fit(self, train, run):
            pictures = train.inputs["pictures"].batch().reshape(len(train.labels), -1) / 255.0
            self.mean = pictures.mean(axis=0)
            self.plane = run.rng("plane").standard_normal((pictures.shape[1], self.outputs))
        def predict(self, inputs):
            pictures = inputs["pictures"].batch().reshape(inputs.clips, -1) / 255.0
            return Prediction((pictures - self.mean) @ self.plane)
"""
INPUTS = {"near": "{kind: frames, count: 2, size: 8}", "far": "{kind: dynamic-image, size: 8}"}


def module_of(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def world(tmp_path_factory, miniature):
    """Make a registered database, two methods of the tests, and a process that starts commands on them."""
    root = tmp_path_factory.mktemp("faults")
    clips = [[f"s{s}_{c}_{n:02d}", 1, 5, 6] for s in range(1, FOLDS + 1) for n, c in enumerate(("ne", "po", "sur"), 1)]
    copy = miniature.write_smic(root / "SMIC", clips=clips, tree="SMIC_all_cropped/HS", side=16)
    site = root / "site"
    (site / "cheap-1.0.dist-info").mkdir(parents=True)
    (site / "cheap-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: cheap\nVersion: 1.0\n")
    points = "".join(f"{name} = {name}_method.method:Plane\n" for name in INPUTS)
    (site / "cheap-1.0.dist-info" / "entry_points.txt").write_text(f"[merbench.methods]\n{points}")
    for name, given in INPUTS.items():
        folder = site / f"{name}_method"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "card.yaml").write_text(dedent(CARD).replace("NAME", name).replace("INPUT", given))
        (folder / "method.py").write_text(dedent(METHOD))
    (root / "home").mkdir()
    modules = [f"{name}_method.method" for name in INPUTS]
    with module_of("killing").Commands(root / "home", site, *modules) as commands:
        said = commands(root, "data", "add", "smic-hs", copy)
        assert said.code == 0, said
        yield World(root, commands)


class World:
    """What the tests share: commands, and the outcome of an undisturbed grid."""

    def __init__(self, root, commands):
        self.root, self.run = root, commands
        self.undisturbed = self.place("undisturbed")
        said = self.run(self.undisturbed, *GRID, home=str(self.undisturbed / "home"))
        assert (said.code, said.err) == (0, ""), said
        self.life = said.seconds
        self.table = self.compared(self.undisturbed)

    def place(self, name):
        """Make a folder to give commands in, with a home of its own: its store is empty."""
        folder = self.root / name
        (folder / "home").mkdir(parents=True)
        (folder / "mini.yaml").write_text(dedent(PROTOCOL))
        registered = (self.run.home / "databases.json").read_bytes()
        (folder / "home" / "databases.json").write_bytes(registered)
        return folder

    def compared(self, folder):
        """Return the table's rows as they are printed."""
        said = self.run(folder, "compare", "--format", "json")
        assert (said.code, said.err) == (0, ""), said
        return json.loads(said.out)

    def check_whole(self, folder):
        """See that a place holds what the undisturbed one does: the table, and every prediction bit for bit."""
        assert self.compared(folder) == self.table
        found, expected = (
            {path.relative_to(place): path.read_bytes() for path in place.glob("results/runs/*/predictions.parquet")}
            for place in (folder, self.undisturbed)
        )
        assert len(expected) == RUNS
        assert found == expected


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def vouched(mark, files):
    """Read a commit mark and what it vouches for: path -> bytes, age and inode; nothing where any of it is not whole.

    Told without merbench's own readers, which are on trial too.
    """
    found = {}
    try:
        content = json.loads(mark.read_bytes())
        for path, expected in files(content).items():
            if sha256(path.read_bytes()) != expected:
                return {}
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    for path in (mark, *files(content)):
        status = path.stat()
        found[path] = (path.read_bytes(), status.st_mtime_ns, status.st_ino)
    return found


def recorded(folder):
    """Return all folds that are recorded, and the arrays of the store, by path."""
    found = {}
    for mark in folder.glob("results/runs/*/folds/*/record.json"):
        found |= vouched(
            mark, lambda told, mark=mark: {mark.with_name(name): sha for name, sha in told["checksums"].items()}
        )
    for array in folder.glob("home/store/*/*/*-*.npy"):
        if sha256(array.read_bytes())[:16] == array.stem.partition("-")[2]:
            found[array] = (array.read_bytes(), array.stat().st_mtime_ns, array.stat().st_ino)
    return found


def check_marks(folder):
    """See that what a commit mark vouches for is there, and that a whole run's mark stands on all of its folds."""
    for mark in folder.glob("results/runs/*/folds/*/record.json"):
        assert vouched(mark, lambda told, mark=mark: {mark.with_name(n): sha for n, sha in told["checksums"].items()})
    for mark in folder.glob("results/runs/*/complete.json"):
        whole = vouched(mark, lambda told, mark=mark: {mark.with_name(told["predictions"]): told["sha256"]})
        assert whole
        assert len(list(mark.parent.glob("folds/*/record.json"))) == FOLDS


# --- kill -9 --------------------------------------------------------------------------------------------------------


def test_killed_sixty_times_a_grid_loses_nothing_repeats_nothing_and_ends_with_the_same_table(world):
    """Two thirds of the kills at random moments of a command's life, the others while it writes the store, or a whole
    run's predictions; each time the same command is given again. A grid that gets to its end is held against the
    undisturbed one, and another is begun."""
    draw = random.Random(20)
    kills, grids, hit = 0, 0, {"store": 0, "compaction": 0, "folds": 0}
    folder = world.place("killed-0")
    while kills < KILLS:
        aim = ["anywhere", "anywhere", draw.choice(["store", "compaction"])][kills % 3]
        if aim == "anywhere":
            kill = {"after": draw.uniform(0, world.life)}
        else:
            at, most = {"store": (STORE, 12), "compaction": (COMPACTION, 3)}[aim]
            kill = {"at": at, "number": draw.randint(1, most), "after": draw.uniform(0, 0.004)}
        before = recorded(folder)
        said = world.run(folder, *GRID, home=str(folder / "home"), kill=kill)
        after = recorded(folder)
        assert {path: after.get(path) for path in before} == before  # not lost, not trained or built again
        check_marks(folder)
        if said.code == -signal.SIGKILL:
            kills += 1
            hit["store"] += aim == "store"
            hit["compaction"] += aim == "compaction"
            hit["folds"] += len(after) > len(before)
            continue
        assert (said.code, said.err) == (0, ""), said
        world.check_whole(folder)
        grids += 1
        folder = world.place(f"killed-{grids}")
    said = world.run(folder, *GRID, home=str(folder / "home"))
    assert (said.code, said.err) == (0, ""), said
    world.check_whole(folder)
    print(kills, grids, hit, world.life)
    assert min(hit.values()) >= 3, hit
