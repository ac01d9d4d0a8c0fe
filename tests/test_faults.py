"""Kills, disks, clocks and other drivers: whatever happens to a command, the outcome is the same and is reported.

``docs/faults.md`` has a line for each; a line's test is named there. The data is a database of frames in miniature, so
that a command has all that one has: a store to build, folds, writes, runs to put together, a table.
"""

import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
from support.killing import Commands

FOLDS = 6
ARRAYS = 2 * 3 * FOLDS
#: majority has one seed, the two methods of the tests three each
RUNS = 7
GRID = ("run", "majority", "near", "far", "--protocol", "mini.yaml", "--seeds", "0-2")
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
    with Commands(root / "home", site, *modules) as commands:
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
        assert "the system clock" not in said.out
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


def by_themselves(rows):
    """Leave out what a row says of the others in its table: the p-value against the best of them."""
    return [{key: value for key, value in row.items() if key != "p_best"} for row in rows]


def refused(said):
    """See that a command ended with one line on standard error and exit code 2, and return the line."""
    assert (said.code, said.err.count("\n")) == (2, 1), said
    assert said.err.startswith("error: "), said
    assert "unforeseen" not in said.err
    return said.err.strip()


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


@pytest.mark.parametrize("most", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_a_killed_grid_loses_and_repeats_no_fold(world, most):
    """Half of the kills at random moments of a command's life, the others while it writes the store, folds, or a whole
    run's predictions; each time the same command is given again. A grid that gets to its end is held against the
    undisturbed one, and another is begun."""
    draw = random.Random(20)
    kills, grids, hit = 0, 0, dict.fromkeys(["store", "folds", "compaction"], 0)
    folder = world.place(f"killed-{most}-0")
    while kills < most:
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
        folder = world.place(f"killed-{most}-{grids}")
    said = world.run(folder, *GRID, home=str(folder / "home"))
    assert (said.code, said.err) == (0, ""), said
    world.check_whole(folder)
    assert most < 60 or min(hit.values()) >= 3, hit


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
    assert world.run(folder, *GRID).code == 0
    draw = random.Random(4)
    for _ in range(6):
        kill = {"at": FOLD, "number": draw.randint(1, 40), "after": 0}
        said = world.run(folder, *GRID, "--existing", "redo", kill=kill)
        assert said.code == -signal.SIGKILL, said
        check_marks(folder)
        rows = [row for row in world.compared(folder) if row["status"] == "complete"]
        assert all(row in by_themselves(world.table) for row in by_themselves(rows))
    assert world.run(folder, *GRID).code == 0
    world.check_whole(folder)


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
        wait_for(lambda: len(recorded(folder)) >= 2 or first.poll() is not None)
        assert first.poll() is None, (folder / "said").read_text()
        waiting = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        for line in waiting.stdout:
            if "another process is at work on it, waiting" in line:
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


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)


# --- disks ----------------------------------------------------------------------------------------------------------

ERRORS = {
    "full": (errno.ENOSPC, "No space left on device"),
    "quota": (errno.EDQUOT, "Disk quota exceeded"),
    "read-only": (errno.EROFS, "Read-only file system"),
    "forbidden": (errno.EACCES, "Permission denied"),
    "broken": (errno.EIO, "Input/output error"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "error"),
    [("results", "full"), ("results", "read-only"), ("store", "quota"), ("store", "forbidden"), ("store", "broken")],
)
def test_a_disk_that_fails_at_any_change_is_reported_in_one_line(world, place, error):
    """The disk fails at the first change that the command makes there and at all later ones; then at the second, ...;
    each time the same command is given again."""
    number, reason = ERRORS[error]
    folder = world.place(f"{place}-{error}")
    where = {"results": folder / "results", "store": folder / "home" / "store"}[place]
    home = world.run.home if place == "results" else folder / "home"
    grid = ("run", *{"results": ("majority",), "store": ("near",)}[place], "--protocol", "mini.yaml")
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
    kept = next(folder.glob("results/runs/*/predictions.parquet"))
    assert kept.read_bytes() == (world.undisturbed / kept.relative_to(folder)).read_bytes()


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
    rows = json.loads((folder / "table").read_text())
    assert {row["method"] for row in rows} == {"near"}
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
@pytest.mark.parametrize("change", CHANGES)
def test_a_fold_changed_during_its_run_is_reported_and_run_again(world, change):
    folder = world.place(change)
    command = ["sh", "-ec", f"cd results/runs/majority-*/folds; {CHANGES[change]}"]
    meanwhile = {"at": r"/folds/smic-hs--s06/\.record", "number": 1, "command": command}
    grid = ("run", "majority", "--protocol", "mini.yaml")
    said = world.run(folder, *grid, meanwhile=meanwhile)
    assert (said.code, said.err) == (1, ""), said
    assert "is incomplete: " in said.out.splitlines()[-1]
    assert "smic-hs" in said.out.splitlines()[-1]
    assert not list(folder.glob("results/runs/*/complete.json"))
    said = world.run(folder, *grid)
    assert (said.code, said.err) == (0, ""), said
    (kept,) = folder.glob("results/runs/*/predictions.parquet")
    assert kept.read_bytes() == (world.undisturbed / kept.relative_to(folder)).read_bytes()


YEAR = 365 * 24 * 3600.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "errors", [(YEAR, -YEAR, 0.0), (-30 * YEAR,), (50 * YEAR,)], ids=["both ways", "past", "future"]
)
def test_a_jumping_clock_changes_no_figure_and_no_duration(world, errors):
    folder = world.place(f"clock{errors[0]}")
    said = world.run(folder, *GRID, clock=errors)
    assert (said.code, said.err) == (0, ""), said
    world.check_whole(folder)
    for mark in folder.glob("results/runs/*/folds/*/record.json"):
        assert all(0 <= value < 1000 for value in json.loads(mark.read_bytes())["seconds"].values())


@pytest.mark.parametrize("first", [0.0, 50 * YEAR], ids=["put back", "was ahead"])
def test_a_later_run_is_shown_although_the_clock_was_put_back(world, first):
    folder = world.place(f"later{first}")
    grid = ("run", "majority", "--protocol", "mini.yaml")
    assert world.run(folder, *grid, clock=[first]).code == 0
    (old,) = (folder / "results" / "runs").iterdir()
    said = world.run(folder, *grid, clock=[first - 10 * YEAR], values={"merbench.engine:CODE_VERSION": 99})
    assert (said.code, said.err) == (0, ""), said
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
    assert world.run(folder, *grid).code == 0
    before = recorded(folder)
    old = {path.name for path in (folder / "results" / "runs").iterdir()}
    newer = {"merbench.engine:CODE_VERSION": 99}
    dry = world.run(folder, *grid, "--dry-run", values=newer)
    assert f"{2 * FOLDS} of {2 * FOLDS} folds would run" in dry.out
    for run_id in old:
        method = run_id.partition("-")[0]
        told = (
            f"{method}: recorded before, not counted and left as it is: {run_id}; changed since: merbench's engine code"
        )
        assert told in dry.out
    said = world.run(folder, *grid, values=newer)
    assert (said.code, said.err) == (0, ""), said
    assert "not counted and left as it is" in said.out
    assert "nothing to do" in world.run(folder, *grid, values=newer).out
    assert recorded(folder).items() >= before.items()
    shown = world.run(folder, "compare", "--format", "json")
    ids = {run for row in json.loads(shown.out) for run in row["run_ids"]}
    assert len(ids) == 2
    assert not ids & old
    assert shown.err.count("--older") == 2
    assert "nothing to do" in world.run(folder, *grid).out


def test_a_run_of_a_later_merbench_is_refused(world):
    folder = world.place("future")
    grid = ("run", "majority", "--protocol", "mini.yaml")
    assert world.run(folder, *grid).code == 0
    (file,) = folder.glob("results/runs/*/run.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 2}))
    before = {path: path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()}
    assert "schema version 2, this merbench reads up to 1: update merbench" in refused(world.run(folder, *grid))
    said = world.run(folder, "compare", "--format", "json")
    assert (said.code, json.loads(said.out)) == (0, [])
    assert "update merbench" in said.err
    assert {path: path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()} == before
