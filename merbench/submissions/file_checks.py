"""Whether the files of a submitted row agree with one another, with its protocol and with its method's code."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merbench.analysis.held import HeldRun, why_not_held
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.names import checked_name
from merbench.databases import DATABASES
from merbench.engine.plan.catalogue import METHODS, method_folder, protocol
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.runs import ROOMS
from merbench.records.states import FILE as KEPT
from merbench.records.states import line_of, reproduced
from merbench.submissions.bounds import CODE, check_shapes
from merbench.submissions.model import FILE
from merbench.submissions.submitted import Evidence, Submitted


def bounds(submitted: Submitted) -> Evidence:
    """Bound what its files hold before they are parsed."""
    check_shapes(submitted.place)
    size = sum(path.stat().st_size for path in submitted.place.rglob("*") if path.is_file())
    yield "ok", f"{size >> 10} KiB"


def schema(submitted: Submitted) -> Evidence:
    """Read its files, and compare them with one another."""
    run = submitted.run
    if run.mark is None:
        raise MerbenchError("; ".join(run.problems) or "the run is not whole")
    yield "ok", f"{run.file.run_id}: {len(run.predictions)} clips, {len(run.file.folds)} folds"
    if run.file.imported or run.file.synthetic or run.file.key.shuffled:
        yield "failed", "imported logs, synthetic data and shuffled labels are not rows of the leaderboard"
    if submitted.about is None and line_of(run, reproduced()) is not None:
        yield "noted", f"recorded by the maintainers, without {FILE}"
    elif submitted.about is None:
        yield "failed", f"{FILE} is missing: submit the row again with merbench submit"
    elif submitted.about is not None and submitted.about.run_id != run.file.run_id:
        yield "failed", f"{FILE} is about {submitted.about.run_id}"


#: What plain text does not have: HTML, markup of terminals, LaTeX commands.
_MARKUP = re.compile(r"<[A-Za-z!/?]|\[/?[A-Za-z@#][^\]]*\]|\\[A-Za-z]|&[#A-Za-z]\w*;")


def strange(text: str) -> str:
    """Say what a text has that a table, a terminal or a page may take for more than text; empty if nothing."""
    if any(unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" for char in text):
        return "control characters"
    if text[:1] in tuple("=+-@\t") and len(text) > 1:
        return "the beginning of a formula"
    return "markup" if _MARKUP.search(text) else ""


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield f"{where}, a key", str(key)
            yield from _texts(each, f"{where}.{key}"[:80])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, where)


def texts(submitted: Submitted) -> Evidence:
    """Refuse texts that a table, a terminal or a page may take for more than text."""
    file = submitted.run.file
    content = {"run.json": file.model_dump(mode="json"), "complete.json": submitted.run.mark.model_dump(mode="json")}  # type: ignore[union-attr]
    if submitted.about is not None:
        content[FILE] = submitted.about.model_dump(mode="json", exclude={"card"})
    if submitted.kept is not None:
        content[KEPT] = submitted.kept.model_dump(mode="json", exclude={"reasons"})
    texts = [(name, text) for part, found in content.items() for name, text in _texts(found, part)]
    texts += [
        ("predictions.csv", text) for name in ("dataset", "subject", "clip") for text in submitted.run.predictions[name]
    ]
    for where, text in texts:
        if what := strange(text):
            raise MerbenchError(f"{where} has {what}: {ascii(text)[:100]}")
    for kind, name in (("method", file.method), ("protocol", file.protocol), ("configuration", file.config_name)):
        checked_name(name, kind)
    yield "ok", f"{len(texts)} texts are plain"


def identities(submitted: Submitted) -> Evidence:
    """Compare clips, labels and folds with the protocol's list, or with the data here."""
    found, difference = submitted.held
    if difference:
        raise MerbenchError(difference)
    if not isinstance(found, HeldRun):
        raise MerbenchError(f"could not be compared with its protocol: {why_not_held([found])}")
    yield "ok", f"those of {found.origin_of_truth}"


def key(submitted: Submitted) -> Evidence:
    """Make the parts of the key again that do not need the method's code to run."""
    file, key = submitted.run.file, submitted.run.file.key
    spec = protocol(file.protocol).spec_digest()
    if spec != key.spec_digest:
        yield "failed", f"the protocol's specification is {spec[:8]}, the key's {key.spec_digest[:8]}"
    versions = {name: room.CODE_VERSION for name, room in ROOMS.items()}
    if versions != key.code_versions:
        yield "failed", f"code versions are {versions}, the key's {key.code_versions}"
    if unknown := sorted(set(file.data.split("+")) - set(DATABASES.names())):
        yield "failed", f"{listed(unknown)} is not a database or a published release"
    digests = {code_digest(place, package) for place, package in code_of(submitted)}
    if not digests:
        yield "failed", f"method {file.method} is not installed, and its code is not in the folder {CODE}"
    elif key.code_digest not in digests:
        named = listed(sorted(each[:8] for each in digests))
        yield "failed", f"the method's code has the digest {named}, the key's {key.code_digest[:8]}"
    yield "ok", "specification, split, code and its versions; --rerun makes settings and inputs again, too"


def code_of(submitted: Submitted) -> list[tuple[Path, str]]:
    """Return the folders of a method's code, each with its name as a package: the submitted ones, the installed one."""
    found = [
        (each.place / CODE, each.about.package if each.about else "")
        for each in submitted.seeds
        if (each.place / CODE).is_dir()
    ]
    name = submitted.run.file.method
    return [*found, method_folder(METHODS.entry(name))] if name in METHODS.names() else found


def data_files(submitted: Submitted) -> Evidence:
    """Name data files in the method's folder that the card does not disclose."""
    places = code_of(submitted)
    if not places:
        yield "skipped", "the code is not here"
        return
    place, _ = places[0]
    paths = [path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = [path.relative_to(place).as_posix() for path in paths if path.suffix not in (".py", ".md", ".yaml", ".pyc")]
    discloses = any(said.startswith("weights have seen") for said in submitted.run.file.disclosures)
    if data and not discloses:
        yield "failed", f"data files whose origin the card does not disclose (data_seen): {listed(data, most=3)}"
    else:
        yield "ok", f"{len(paths)} files" + f", {len(data)} of data, disclosed" * bool(data)
