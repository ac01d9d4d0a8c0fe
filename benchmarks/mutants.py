"""Plant small faults in the library and count how many the tests notice: mutation testing, to compare two suites.

Three steps, run with the checkout's own interpreter after ``uv pip install coverage``::

    .venv/bin/python benchmarks/mutants.py sample --manifest M.json           # once, on the older tree
    .venv/bin/python benchmarks/mutants.py cover --covered C                  # on each tree: which test runs which line
    .venv/bin/python benchmarks/mutants.py run --manifest M.json --covered C --out R.json

A mutant is one change of one function. ``killed``: a test that runs the line fails. ``timeout``: tests ran far beyond
their usual time, which counts as killed. ``survived``: none of those tests minds; the change may be harmless, or left
over where ``untried`` is not 0. ``uncovered``: no test runs the line. ``gone``: the tree has no function of that name
and body. Functions may move between files; docstrings, annotations and the wording of messages may change.

All is done in copies of the tree with a virtual environment of their own, so that the checkout stays as it is.
"""

import argparse
import ast
import contextlib
import copy
import difflib
import hashlib
import itertools
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import coverage
import pytest

ROOT = Path.cwd()
FILES = ["scoring/*.py", "contracts/records.py"]
FILES += [f"engine/{name}.py" for name in ("split", "folds", "store", "files")]
FILES += [f"report/{name}.py" for name in ("runs", "leaderboard", "logs", "published")]
PER_FUNCTION = 3
OTHERS = 10.0  # seconds of tests that are only near a mutant
LIMIT = 60.0  # seconds of computing, or three times what its tests take, after which a mutant counts as a timeout
STALL = 120  # seconds without any computing after which it does, too
UNTOUCHED = ("annotation", "returns", "decorator_list")
HEADED = ast.If | ast.For | ast.While | ast.With | ast.Try | ast.Match | ast.FunctionDef | ast.ClassDef
RUNNING: set["subprocess.Popen[bytes]"] = set()
STOP = threading.Event()
CLOCK = itertools.count(int(time.time()) - 10**7)

Tests = dict[str, Any]  # name: [seconds, outcome, shared fixtures]
Site = tuple[str, ast.AST, ast.stmt, Callable[[], None]]  # operator, node, its statement, what makes the change
COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARED |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
COMPUTED |= {ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}


def words(node: Any) -> bool:
    """Say whether a node is a docstring, or some other string that does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def children(node: ast.AST) -> Iterator[tuple[ast.AST, Callable[[Any], None]]]:
    """Yield what stands directly in a node, and how to put something in its place; no docstrings, no annotations."""
    for field, value in ast.iter_fields(node):
        if field in UNTOUCHED:
            continue
        if isinstance(value, list):
            for place, child in enumerate(value):
                if isinstance(child, ast.AST) and not words(child):
                    yield child, lambda new, v=value, p=place: v.__setitem__(p, new)
        elif isinstance(value, ast.AST):
            yield value, lambda new, f=field: setattr(node, f, new)


def sites(node: ast.AST, stmt: ast.stmt) -> Iterator[Site]:
    """Yield every change that can be made inside a node, always in the same order; none inside messages."""
    for child, put in children(node):
        at = child if isinstance(child, ast.stmt) else stmt
        for operator, change in changes(child, put):
            yield operator, child, at, change
        if not isinstance(child, ast.Raise | ast.JoinedStr):
            yield from sites(child, at)


def changes(node: Any, put: Callable[[Any], None]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the changes of one node."""
    match node:
        case ast.Compare():
            for place, op in enumerate(node.ops):
                new = COMPARED[type(op)]()
                yield "comparison", lambda p=place, n=new: node.ops.__setitem__(p, n)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in COMPUTED and not joins(node):
            yield "arithmetic", lambda: setattr(node, "op", COMPUTED[type(node.op)]())
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and/or", lambda: setattr(node, "op", other)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield "not or sign removed", lambda: put(node.operand)
        case ast.Constant(value=bool()):
            yield "true/false", lambda: setattr(node, "value", not node.value)
        case ast.Constant(value=int() | float()):
            yield "number + 1", lambda: setattr(node, "value", node.value + 1)
        case ast.Return(value=ast.AST()) if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "return None", lambda: setattr(node, "value", ast.Constant(None))
        case ast.Break() | ast.Continue():
            yield "break/continue", lambda: put(ast.Continue() if isinstance(node, ast.Break) else ast.Break())
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield "raise or call removed", lambda: put(ast.Pass())
        case ast.Slice():
            for end in ("lower", "upper"):
                if getattr(node, end) is not None:
                    yield "slice opened", lambda e=end: setattr(node, e, None)
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition negated", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))


def joins(node: ast.AST) -> bool:
    """Say whether an operator joins paths, texts or lists, with which any other fails at once."""
    parts = [getattr(node, side, None) for side in ("left", "right", "value")]
    plain = (ast.List, ast.ListComp, ast.Dict, ast.JoinedStr)
    text = [isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts]
    return any(text) or any(isinstance(p, plain) or (isinstance(p, ast.BinOp) and joins(p)) for p in parts)


def digest(function: ast.AST) -> str:
    """Digest a function without its decorators, annotations and docstring, and without the wording of messages."""

    def reported(value: Any) -> Any:
        match value:
            case ast.Raise():
                return ["Raise", reported(value.exc.func if isinstance(value.exc, ast.Call) else value.exc)]
            case ast.JoinedStr():
                return ["JoinedStr", [reported(v) for v in value.values if not isinstance(v, ast.Constant)]]
            case ast.AST():
                fields = [(f, reported(v)) for f, v in ast.iter_fields(value) if f not in UNTOUCHED]
                return [type(value).__name__, fields]
            case list():
                return [reported(v) for v in value if not words(v)]
        return repr(value)

    return hashlib.sha256(json.dumps(reported(function)).encode()).hexdigest()[:16]


def functions(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the functions and methods of a file by qualified name; one inside another belongs to it."""

    def found(node: ast.AST, prefix: str) -> Iterator[tuple[str, Any]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
            elif isinstance(child, ast.ClassDef | ast.If | ast.Try):
                yield from found(child, f"{prefix}{child.name}." if isinstance(child, ast.ClassDef) else prefix)

    yield from found(ast.parse(path.read_text(encoding="utf-8")), "")


def mutated(text: str, function: Any, ordinal: int | None) -> tuple[str, str, range]:
    """Return a file's text with one change in one function (or none), the change in words, and the lines it is on."""
    new, lines = copy.deepcopy(function), range(0)
    new.decorator_list = []
    before = ast.unparse(new)
    if ordinal is not None:
        _, node, stmt, change = next(itertools.islice(sites(new, new), ordinal, None))
        header = isinstance(stmt, HEADED) and stmt is not new
        end = getattr(node, "test", node) if header else stmt
        lines = range(stmt.lineno, end.end_lineno + 1)
        change()
    after = ast.unparse(ast.fix_missing_locations(new))
    said = [line.strip() for line in difflib.ndiff(before.split("\n"), after.split("\n")) if line[0] in "+-"]
    rows = text.split("\n")
    rows[function.lineno - 1 : function.end_lineno] = [textwrap.indent(after, " " * function.col_offset)]
    return "\n".join(rows), " ".join(said), lines


def sample(options: argparse.Namespace) -> None:
    """Draw the mutants, in the order in which a comparison takes them."""
    found = [
        (path, name, ordinal, site[0], function)
        for path in sorted(path for pattern in FILES for path in Path("merbench").glob(pattern))
        for name, function in functions(path)
        for ordinal, site in enumerate(sites(function, function))
    ]
    random.Random(0).shuffle(found)
    taken: list[dict[str, Any]] = []
    count: Counter[tuple[Path, str]] = Counter()
    for path, name, ordinal, operator, function in found:
        count[path, name] += 1
        if count[path, name] <= PER_FUNCTION and len(taken) < options.number:
            _, change, lines = mutated(path.read_text(encoding="utf-8"), function, ordinal)
            one = {"id": len(taken), "function": name, "file": str(path), "line": lines.start, "operator": operator}
            taken.append(one | {"ordinal": ordinal, "digest": digest(function), "change": change})
    options.manifest.write_text(json.dumps(taken, indent=1), encoding="utf-8")
    print(f"{len(taken)} of {len(found)} mutants of {len(count)} functions:", Counter(m["operator"] for m in taken))


def put(path: Path, text: str) -> None:
    """Write a file with a time of its own, so that no byte code of another text is taken for its."""
    path.write_text(text, encoding="utf-8")
    at = next(CLOCK)
    os.utime(path, (at, at))


def scratch(folder: Path) -> Path:
    """Copy the tree and make it an environment in which ``merbench`` is this copy; return the copy."""
    tree, venv = folder / "tree", ROOT / ".venv"
    shutil.rmtree(folder, ignore_errors=True)
    passed = shutil.ignore_patterns(".venv", "__pycache__", ".*_cache", ".hypothesis", "mlartifacts", "mlflow.db*")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=passed)
    if (ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to((ROOT.parent / "shared").resolve())
    packages = next(venv.glob("lib/python*/site-packages"))
    for part in (venv, venv / "bin", packages):
        (here := tree / ".venv" / part.relative_to(venv)).mkdir(parents=True, exist_ok=True)
        for path in part.iterdir():
            if path.is_symlink():
                (here / path.name).symlink_to(path.readlink())
            elif path.is_file() and (part != packages or path.name.startswith("__editable__")):
                (here / path.name).write_bytes(path.read_bytes().replace(str(ROOT).encode(), str(tree).encode()))
                shutil.copymode(path, here / path.name)
            elif part == packages and path.name != "__pycache__":  # a shared cache could bring another copy's mapping
                (here / path.name).symlink_to(path)
    code = "import merbench.scoring.metrics, merbench.methods as m; print(merbench.__file__, m.__file__)"
    whole = (tree / "merbench/__init__.py").read_text(encoding="utf-8")
    for text, places in (("raise SystemError", 0), (whole, 2)):  # is it this copy that is imported?
        put(tree / "merbench/__init__.py", text)
        said = subprocess.run(
            [tree / ".venv/bin/python", "-c", code], cwd="/", capture_output=True, text=True, check=False
        )
        assert said.stdout.count(str(tree)) == places, said
    return tree


def suite(tree: Path, arguments: list[str], limit: float | None = None, **more: str) -> tuple[int | None, Tests]:
    """Run pytest in a copy; return its exit status (None: killed) and what is known of each test."""
    log = tree.parent / "log.json"
    log.unlink(missing_ok=True)
    (tree.parent / "arguments").write_text("\n".join(arguments), encoding="utf-8")
    plain = ["-q", "-m", "", "-p", "no:cacheprovider", "-p", Path(__file__).stem, f"--basetemp={tree.parent / 'tmp'}"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent), "MERBENCH_REQUIRE_SHARED": "1"}
    with (tree.parent / "output").open("w") as output:
        process = subprocess.Popen(
            [tree / ".venv/bin/python", "-m", "pytest", *plain, f"@{tree.parent / 'arguments'}"],
            cwd=tree, stdout=output, stderr=output, env=environment | {"MUTANTS_LOG": str(log)} | more,
            start_new_session=True,
        )  # fmt: skip
        RUNNING.add(process)
        try:
            waited, spent = 0.0, 0.0
            while process.poll() is None and not (limit and (spent > limit or waited > STALL)):
                time.sleep(0.5)
                now = computed(process.pid)
                waited, spent = (0.0, now) if now - spent > 0.2 else (waited + 0.5, spent)
            status = process.poll()
        finally:
            end(process)
            RUNNING.discard(process)
    return status, json.loads(log.read_text(encoding="utf-8")) if log.exists() else {}


def computed(session: int) -> float:
    """Return the seconds of computing of all processes of a session: unlike time, other work does not stretch them."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15])) if int(fields[3]) == session else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started in its session."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


class Watch:
    """Pytest plug-in: how long each test takes, what it shares with others and, with coverage, which lines it runs."""

    def __init__(self, config: pytest.Config) -> None:
        self.tests: dict[str, Any] = {}
        self.item: Any = None
        self.coverage = None
        self.works = hasattr(config, "workerinput")
        if "MUTANTS_RC" in os.environ and (self.works or not config.getoption("numprocesses", None)):
            self.coverage = coverage.Coverage(config_file=os.environ["MUTANTS_RC"], data_suffix=True)
            self.coverage.start()

    @contextlib.contextmanager
    def on_behalf(self, name: str) -> Iterator[None]:
        """Put down what runs, here and in processes that start now, to a test or a shared fixture."""
        before = os.environ.get("MUTANTS_TEST", "")
        self.switch(name)
        try:
            yield
        finally:
            self.switch(before)

    def switch(self, name: str) -> None:
        """Put down what runs from now on to a test, to a shared fixture or to nothing."""
        os.environ["MUTANTS_TEST"] = name
        os.environ.pop("COVERAGE_PROCESS_START", None)
        if self.coverage:
            self.coverage.switch_context(name)
            if name:
                os.environ["COVERAGE_PROCESS_START"] = os.environ["MUTANTS_RC"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        """Note which shared fixtures a test asks for."""
        self.item = item
        for definition in itertools.chain(*item._fixtureinfo.name2fixturedefs.values()):
            if definition.scope != "function":
                item.user_properties.append(("fixture", f"fixture {definition.baseid}::{definition.argname}"))
        with self.on_behalf(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """Put down what a shared fixture runs to the fixture, not to the test that happens to come first."""
        name = f"fixture {fixturedef.baseid}::{fixturedef.argname}"
        if fixturedef.scope == "function":
            return (yield)
        self.item.user_properties.append(("fixture", name))
        with self.on_behalf(name):
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up the seconds of a test."""
        one = self.tests.setdefault(report.nodeid, [0.0, "passed", []])
        one[0] += report.duration
        one[1] = report.outcome if report.outcome != "passed" else one[1]
        one[2] = sorted({value for name, value in report.user_properties if name == "fixture"})

    def pytest_sessionfinish(self) -> None:
        """Write down what was seen."""
        if self.coverage:
            self.coverage.stop()
            self.coverage.save()
        if not self.works:
            Path(os.environ["MUTANTS_LOG"]).write_text(json.dumps(self.tests), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Watch, where this file is a plug-in."""
    if "MUTANTS_LOG" in os.environ:
        config.pluginmanager.register(Watch(config))


def cover(options: argparse.Namespace) -> None:
    """Run all tests, slow ones too, and keep which runs which line; what fails even without coverage kills nothing."""
    options.covered.mkdir(parents=True, exist_ok=True)
    tree, data = scratch(options.covered / "scratch"), options.covered / "lines"
    rc = options.covered / "coveragerc"
    said = f"[run]\ndata_file = {data}\nparallel = true\nsource = {tree / 'merbench'}\ncontext = ${{MUTANTS_TEST}}\n"
    rc.write_text(said + "sigterm = true\ndisable_warnings = no-data-collected\n", encoding="utf-8")
    start = time.monotonic()
    _, tests = suite(tree, ["-n", str(options.jobs)], MUTANTS_RC=str(rc))
    seconds = time.monotonic() - start
    shutil.copy(tree.parent / "output", options.covered / "output.txt")
    outcomes = Counter(test[1] for test in tests.values())
    failed = [name for name, test in tests.items() if test[1] == "failed"]
    again = suite(tree, failed)[1] if failed else {}
    tests |= again
    combined = coverage.Coverage(config_file=str(rc))
    combined.combine(keep=False)
    combined.save()
    about = {"tree": str(tree), "seconds": seconds, "outcomes": outcomes, "failed_at_first": failed, "tests": tests}
    (options.covered / "tests.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    shutil.rmtree(tree.parent)
    print(f"{len(tests)} tests in {seconds:.0f} s: {dict(outcomes)}; without coverage still fail:")
    print(*(name for name in failed if tests[name][1] == "failed"), sep="\n")


class Covered:
    """Which tests run which lines, as ``cover`` found it."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "tests.json").read_text(encoding="utf-8"))
        self.tree = about["tree"]
        self.tests = {name: test for name, test in about["tests"].items() if test[1] == "passed"}
        self.data = coverage.CoverageData(str(folder / "lines"))
        self.data.read()

    def choice(self, file: str, lines: range, unfit: set[str], budget: float) -> tuple[list[str], int, int]:
        """Return the tests to run, fast ones first, how many cover the lines, and for how many of these time is short.

        After the tests that cover the lines come others of their files: a cache that an earlier test has filled hides
        from coverage what a later one would run.
        """
        seen = self.data.contexts_by_lineno(f"{self.tree}/{file}")
        contexts = {context for line in lines for context in seen.get(line, ())}
        tests = {name: test[0] for name, test in self.tests.items() if name not in unfit}
        covering = {name for name in tests if name in contexts or contexts & set(self.tests[name][2])}
        places = {name.partition("::")[0] for name in covering}
        others = {name for name in tests if name.partition("::")[0] in places} - covering
        found: list[str] = []
        for group, left in ((covering, budget), (others, OTHERS)):
            for name in sorted(group, key=tests.__getitem__):
                left -= tests[name]
                if left < 0 and (found or group is others):
                    break
                found.append(name)
        return found, len(covering), len(covering - set(found))


def parted(tests: list[str], path: Path) -> list[list[str]]:
    """Part the tests of the file that is likeliest to notice from the others, which take long to import."""
    places = Counter(name.partition("::")[0] for name in tests)
    near = max(places, key=lambda place: (Path(place).stem == f"test_{path.stem}", places[place]))
    first = [name for name in tests if name.startswith(f"{near}::")]
    return [part for part in (first, [name for name in tests if name not in first]) if part]


def judged(mutant: Any, tree: Path, path: Path, covered: Covered, unfit: set[str], budget: float) -> dict[str, Any]:
    """Plant one mutant in a copy and run the tests that cover it."""
    start = time.monotonic()
    text = path.read_text(encoding="utf-8")
    function = next(f for n, f in functions(path) if n == mutant["function"] and digest(f) == mutant["digest"])
    changed, _, lines = mutated(text, function, mutant["ordinal"])
    tests, covering, untried = covered.choice(str(path), lines, unfit, budget)
    result = {"file": str(path), "line": lines.start, "covering": covering, "untried": untried, "budget": budget}
    result["status"] = "survived" if covering else "uncovered"
    if covering:
        try:
            put(tree / path, changed)
            for part in parted(tests, path):
                limit = max(LIMIT, 3 * sum(covered.tests[name][0] for name in part))
                status, seen = suite(tree, ["-x", "-n", "0", *part], limit)
                if STOP.is_set():
                    raise KeyboardInterrupt
                if status != 0:
                    result["status"] = "killed" if status is not None else "timeout"
                    result["by"] = next((n for n, test in seen.items() if test[1] == "failed"), f"exit status {status}")
                    break
        finally:
            put(tree / path, text)
    return result | {"seconds": round(time.monotonic() - start, 1)}


def run(options: argparse.Namespace) -> None:
    """Judge mutants that have no result yet, or survived with a smaller budget; then judge the tests that killed."""
    manifest = json.loads(options.manifest.read_text(encoding="utf-8"))
    covered = Covered(options.covered)
    kept = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {"unfit": [], "mutants": []}
    results = {result["id"]: result for result in kept["mutants"]}
    unfit = set(kept["unfit"])
    everything = sorted(Path("merbench").rglob("*.py"), reverse=True)
    known = {(name, digest(function)): path for path in everything for name, function in functions(path)}
    trees: queue.Queue[Path] = queue.Queue()
    lock = threading.Lock()
    for number in range(options.jobs):
        trees.put(scratch(options.out.parent.resolve() / f"scratch-{options.out.stem}" / str(number)))

    def one(mutant: dict[str, Any]) -> None:
        result = {key: mutant[key] for key in ("id", "file", "function", "operator", "change")} | {"status": "gone"}
        path = known.get((mutant["function"], mutant["digest"]))
        if path:
            tree = trees.get()
            try:
                result |= judged(mutant, tree, path, covered, unfit, options.budget)
            finally:
                trees.put(tree)
        with lock:
            results[result["id"]] = result
            done = {"unfit": sorted(unfit), "mutants": [results[number] for number in sorted(results)]}
            options.out.with_suffix(".new").write_text(json.dumps(done, indent=1), encoding="utf-8")
            options.out.with_suffix(".new").replace(options.out)
        reported = [result.get(key, "") for key in ("id", "status", "file", "function", "operator", "seconds", "by")]
        print(len(results), *reported, flush=True)

    def all_of(mutants: list[dict[str, Any]]) -> None:
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                for waited in [pool.submit(one, mutant) for mutant in mutants]:
                    waited.result()
            except BaseException:
                STOP.set()
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(RUNNING):
                    end(process)
                raise

    capped = {
        n for n, r in results.items() if r["status"] == "survived" and r["untried"] and r["budget"] < options.budget
    }
    all_of([mutant for mutant in manifest if mutant["id"] not in results or mutant["id"] in capped])
    tree = trees.get()
    for (name, reported), path in known.items():  # the control: all functions of the sample, only printed anew
        if any((m["function"], m["digest"]) == (name, reported) for m in manifest):
            text = (tree / path).read_text(encoding="utf-8")
            function = next(f for n, f in functions(tree / path) if n == name and digest(f) == reported)
            put(tree / path, mutated(text, function, None)[0])
    killers = sorted({r["by"] for r in results.values() if r["status"] == "killed"} & set(covered.tests))
    seen = suite(tree, ["-n", "0", *killers])[1] if killers else {}
    new = {name for name in killers if seen.get(name, [0, "failed"])[1] != "passed"}
    print(f"{len(killers)} tests kill; of an equal text fail, and count no more:", *new)
    trees.put(scratch(tree.parent))
    unfit |= new
    all_of([mutant for mutant in manifest if results[mutant["id"]].get("by") in new])
    there = [results[number] for number in sorted(results) if results[number]["status"] != "gone"]
    for title, group in (("all", list(results.values())), ("first 100 not gone", there[:100])):
        print(title, dict(Counter(result["status"] for result in group)))
    shutil.rmtree(tree.parent.parent)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    wanted = {sample: ["manifest"], cover: ["covered"], run: ["manifest", "covered", "out"]}
    for verb, names in wanted.items():
        one = verbs.add_parser(verb.__name__, help=verb.__doc__)
        one.set_defaults(verb=verb)
        for name in names:
            one.add_argument(f"--{name}", type=lambda text: Path(text).resolve(), required=True)
    for verb, name, kind, default, reported in (
        (sample, "--number", int, 260, "how many mutants"),
        (cover, "--jobs", int, 2, "how many processes"),
        (run, "--jobs", int, 2, "how many processes"),
        (run, "--budget", float, 40.0, "seconds of tests, as cover saw them, of a mutant"),
    ):
        verbs.choices[verb.__name__].add_argument(name, type=kind, default=default, help=reported)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # what runs in the background has Ctrl-C ignored otherwise
        signal.signal(number, signal.default_int_handler)
    options.verb(options)


if __name__ == "__main__":
    main()
