"""A grid that is run again and again, and what of it is recorded."""

import hashlib
import json
import time
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from support.killing import Commands

FOLDS = 6
ARRAYS = 2 * 3 * FOLDS
#: majority has one seed, the two methods of the tests three each
RUNS = 7
GRID = ("run", "majority", "near", "far", "--protocol", "mini.yaml", "--seeds", "0-2")
MAJORITY = ("run", "majority", "--protocol", "mini.yaml")
STORE = r"/store/.*\.tmp$"
FOLD = r"/folds/[^/]+/"
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
    import os
    import time
    import numpy as np
    from merbench.contracts.methods import MethodConfig, Prediction

    class Plane:
        Config = MethodConfig
        def __init__(self, config, problem):
            self.outputs = len(problem.outputs)
        def fit(self, train, run):
            print("trained 1")
            time.sleep(float(os.environ.get("SECONDS_A_FOLD", 0)))
            pictures = train.inputs["pictures"].batch().reshape(len(train.labels), -1) / 255.0
            self.mean = pictures.mean(axis=0)
            self.plane = run.rng("plane").standard_normal((pictures.shape[1], self.outputs))
        def predict(self, inputs):
            pictures = inputs["pictures"].batch().reshape(inputs.clips, -1) / 255.0
            return Prediction((pictures - self.mean) @ self.plane)
"""
INPUTS = {"near": "{kind: frames, count: 2, size: 8}", "far": "{kind: dynamic-image, size: 8}"}


class World:
    """What the tests share: commands, and the outcome of an undisturbed grid."""

    def __init__(self, root, commands):
        self.root, self.run = root, commands
        self.undisturbed = self.place("undisturbed")
        said = self.done(self.undisturbed, *GRID, home=str(self.undisturbed / "home"))
        assert "the system clock" not in said.out
        self.life = said.seconds
        self.done(self.undisturbed, "check-protocol", "mini.yaml")  # what `compare` compares runs of all places with
        self.table = self.compared(self.undisturbed)

    def place(self, name):
        """Make a folder to give commands in, with a home of its own: its store is empty."""
        folder = self.root / name
        (folder / "home").mkdir(parents=True)
        (folder / "mini.yaml").write_text(dedent(PROTOCOL))
        registered = (self.run.home / "databases.json").read_bytes()
        (folder / "home" / "databases.json").write_bytes(registered)
        return folder

    def done(self, folder, *words, **options):
        """Run a command, which must succeed without a word on standard error."""
        said = self.run(folder, *words, **options)
        assert (said.code, said.err) == (0, ""), said
        return said

    def compared(self, folder):
        """Return the table's rows as they are printed."""
        return json.loads(self.done(folder, "compare", "--format", "json").out)

    def check_same(self, folder, runs=1):
        """See that the predictions of a place's whole runs are those of the undisturbed one."""
        kept = list(folder.glob("results/runs/*/predictions.parquet"))
        assert len(kept) == runs
        assert all(path.read_bytes() == (self.undisturbed / path.relative_to(folder)).read_bytes() for path in kept)

    def check_whole(self, folder):
        """See that a place holds what the undisturbed one does: the table, and every prediction bit for bit."""
        assert self.compared(folder) == self.table
        assert len(list(self.undisturbed.glob("results/runs/*/predictions.parquet"))) == RUNS
        self.check_same(folder, RUNS)


def by_themselves(rows):
    """Leave out what a row says of the others in its table: the p-value against the best of them."""
    return [{key: value for key, value in row.items() if key != "p_best"} for row in rows]


def refused(said):
    """See that a command ended with one line on standard error and exit code 2, and return the line."""
    assert (said.code, said.err.count("\n")) == (2, 1), said
    assert said.err.startswith("error: "), said
    assert "unexpected" not in said.err
    return said.err.strip()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def state(path):
    """Return bytes, age and inode of a file."""
    return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino


def vouched(mark):
    """Read a commit mark and what it vouches for: path -> state; nothing where any of it is not whole.

    Not by merbench's own readers, which are on trial too.
    """
    try:
        content = json.loads(mark.read_bytes())
        sums = content["checksums"] if mark.name == "record.json" else {content["predictions"]: content["sha256"]}
        if any(sha256(mark.with_name(name).read_bytes()) != expected for name, expected in sums.items()):
            return {}
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    return {path: state(path) for path in (mark, *map(mark.with_name, sums))}


def recorded(folder):
    """Return all folds that are recorded, and the arrays of the store, by path."""
    arrays = folder.glob("home/store/*/*/*-*.npy")
    found = {path: state(path) for path in arrays if sha256(path.read_bytes())[:16] == path.stem.partition("-")[2]}
    for mark in folder.glob("results/runs/*/folds/*/record.json"):
        found |= vouched(mark)
    return found


def check_marks(folder):
    """See that what a commit mark vouches for is there, and that a whole run's mark stands on all of its folds."""
    assert all(vouched(mark) for mark in folder.glob("results/runs/*/folds/*/record.json"))
    for mark in folder.glob("results/runs/*/complete.json"):
        assert vouched(mark)
        assert len(list(mark.parent.glob("folds/*/record.json"))) == FOLDS


def processes_of(session):
    """Return the processes of a session that are not dead, by id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, sid = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(sid) == session and state not in "ZX":
            found[int(path.parent.name)] = state
    return found


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)


@contextmanager
def made_world(root, miniature):
    """Make a registered database, two methods of the tests, and a process that starts commands on them."""
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
    with Commands(root / "home", site, *modules) as commands:
        said = commands(root, "data", "add", "smic-hs", copy)
        assert said.code == 0, said
        yield World(root, commands)
