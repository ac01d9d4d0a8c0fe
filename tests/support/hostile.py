"""Submissions that are made to harm who verifies them, or to pass for what they are not."""

import io
import json
import os
import shutil
import socket
import zipfile
from pathlib import Path

import numpy as np

from merbench.contracts.digests import bytes_digest
from merbench.records.model import RunFile
from support.forging import forge, only_right_ones, truth_as_predicted

ESCAPE, BIDI = "\x1b[2J", "\u202e"


def _write(name, content):
    def change(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def _link(name, target):
    def change(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def _sparse(name, size):
    def change(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("wb") as stream:
            stream.truncate(size)

    return change


def _pipe(name):
    def change(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def _device(folder):
    (folder / "run.json").unlink()
    try:
        os.mknod(folder / "run.json", 0o20666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        (folder / "run.json").symlink_to("/dev/zero")


def _socket(folder):
    (folder / "run.json").unlink()
    here = Path.cwd()
    os.chdir(folder)  # their paths are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("run.json")
    finally:
        os.chdir(here)


def _many(where):
    def change(folder):
        (folder / where).mkdir(exist_ok=True)
        for number in range(10_000):
            (folder / where / f"f{number}.py").touch()

    return change


def _broad(folder):
    for number in range(1_000):
        (folder / "code" / f"p{number // 50}" / f"q{number}").mkdir(parents=True)


def _deep(folder):
    place = folder / "code"
    for _ in range(8):
        place /= "a"
    place.mkdir(parents=True)


def _instead(name):
    def change(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return change


def _gone(name):
    return lambda folder: (folder / name).unlink()


def _forged(**fields):
    return lambda folder: forge(folder, **fields)


def _keyed(key):
    """Claim another key throughout."""

    def change(folder):
        moved = forge(folder, key=key)
        _about(run_id=moved.name)(moved)
        return moved

    return change


def _named(run_id):
    """Give a run another name than its folder has."""

    def change(folder):
        path, mark = folder / "run.json", folder / "complete.json"
        file = RunFile.model_validate(json.loads(path.read_text(encoding="utf-8")) | {"run_id": run_id})
        path.write_text(file.model_dump_json(), encoding="utf-8")
        found = json.loads(mark.read_text(encoding="utf-8")) | {"run_digest": file.digest(), "run_id": run_id}
        mark.write_text(json.dumps(found), encoding="utf-8")

    return change


def _table(change):
    return lambda folder: forge(folder, change)


def _about(**fields):
    def change(folder):
        path = folder / "submission.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")

    return change


def _kept(**fields):
    """Bring a state along."""

    def change(folder):
        mark = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
        about = {"run_id": folder.name, "key_digest": mark["key_digest"], "sha256": mark["sha256"]}
        said = {
            "state": "verified",
            "folds": 3,
            "of": 3,
            "isolated": True,
            "agreement": "bitwise",
            "by": "A. Maintainer",
        }
        said |= {"when": "2026-01-01", "merbench": "0.2.0", "schema_version": mark["schema_version"]}
        (folder / "verification.json").write_text(json.dumps(about | said | fields), encoding="utf-8")

    return change


def _csv(change):
    """Change the text of the predictions, their checksum with it."""

    def changed(folder):
        path, mark = folder / "predictions.csv", folder / "complete.json"
        path.write_bytes(change(path.read_bytes()))
        content = json.loads(mark.read_text(encoding="utf-8")) | {"sha256": bytes_digest(path.read_bytes())}
        mark.write_text(json.dumps(content), encoding="utf-8")

    return changed


def _npz(content):
    def change(folder):
        mark = folder / "complete.json"
        (folder / "epochs.npz").write_bytes(content)
        found = json.loads(mark.read_text(encoding="utf-8")) | {"epochs_sha256": bytes_digest(content)}
        mark.write_text(json.dumps(found), encoding="utf-8")

    return change


def _packed(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def _array(array, shape=None, pickled=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    content = buffer.getvalue()
    return content if shape is None else content.replace(str(array.shape).encode(), shape.encode())


def _cell(column, value):
    return _table(lambda table: table.assign(**{column: [value, *table[column][1:]]}))


def _probabilities(table):
    scores = {name: 0.0 for name in table if name.startswith("score_")} | {"score_surprise": 1.0}
    return table.assign(**scores, predicted="negative")


def _gone_wild(folder):
    _forged(remark="fine")(folder)
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "answers.npz").write_bytes(b"PK")


class _Bomb:
    def __reduce__(self):
        return os.system, ("touch EXECUTED",)


_OTHER = "0" * 64
#: Name -> what is done to the folder of a good submission, and the check that must fail.
HOSTILE = {
    "a link for run.json": (_link("run.json", "/etc/passwd"), "bounds"),
    "a link for predictions": (_link("predictions.csv", "/etc/passwd"), "bounds"),
    "a dangling link": (_link("epochs.npz", "nowhere"), "bounds"),
    "a link in a circle": (_link("submission.json", "submission.json"), "bounds"),
    "a link for the code": (_link("code", "/"), "bounds"),
    "a link in the code": (_link("code/method.py", "/etc/passwd"), "bounds"),
    "a pipe for run.json": (_pipe("run.json"), "bounds"),
    "a pipe for predictions": (_pipe("predictions.csv"), "bounds"),
    "a pipe in the code": (_pipe("code/method.py"), "bounds"),
    "a socket": (_socket, "bounds"),
    "a device": (_device, "bounds"),
    "a folder for run.json": (_instead("complete.json"), "bounds"),
    "a file for the code": (_write("code", "x"), "bounds"),
    "10,000 files": (_many("."), "bounds"),
    "10,000 files of code": (_many("code"), "bounds"),
    "code in many folders": (_broad, "bounds"),
    "a module of 5 MB": (_write("code/method.py", "x = 1\n" * 1_000_000), "bounds"),
    "code in deep folders": (_deep, "bounds"),
    "5 GB of predictions": (_sparse("predictions.csv", 5 << 30), "bounds"),
    "5 GB of run.json": (_sparse("run.json", 5 << 30), "bounds"),
    "5 GB of epochs": (_sparse("epochs.npz", 5 << 30), "bounds"),
    "5 GB of code": (_sparse("code/weights.bin", 5 << 30), "bounds"),
    "a name with a line break": (_write("run\n.json", ""), "bounds"),
    "a name with an escape": (_write(f"{ESCAPE}.json", ""), "bounds"),
    "a name that runs backwards": (_write(f"{BIDI}nosj.json", ""), "bounds"),
    "a name like an option": (_write("-rf", ""), "bounds"),
    "a name with markup": (_write("<b>.json", ""), "bounds"),
    "a long name": (_write("a" * 200, ""), "bounds"),
    "a hidden file": (_write(".gitattributes", ""), "bounds"),
    "a name that is not UTF-8": (lambda folder: (folder / os.fsdecode(b"b\xff")).touch(), "bounds"),
    "a pickle": (_write("model.pkl", b"\x80\x04cos\nsystem\n"), "bounds"),
    "a module that Python loads by itself": (_write("sitecustomize.py", "open('EXECUTED', 'w')"), "bounds"),
    "a compiled module": (_write("run.so", b"\x7fELF"), "bounds"),
    "a hidden file of code": (_write("code/.hidden.py", ""), "bounds"),
    "no run.json": (_gone("complete.json"), "bounds"),
    "an empty run.json": (_write("run.json", ""), "schema"),
    "JSON in deep lists": (_write("run.json", "[" * 100_000), "bounds"),
    "JSON in deep objects": (_write("complete.json", '{"a":' * 100_000), "bounds"),
    "a number of a million digits": (_write("run.json", '{"schema_version": ' + "9" * 1_000_000 + "}"), "schema"),
    "run.json in UTF-16": (_write("run.json", "{}".encode("utf-16")), "schema"),
    "run.json that is a list": (_write("run.json", "[1, 2]"), "schema"),
    "a later schema": (_forged(schema_version=99), "schema"),
    "a run outside of its folder": (_named("../../outside"), "schema"),
    "the run of another name": (_named("other-three-s0-0123456789"), "schema"),
    "another protocol's folder": (_forged(protocol="megc2019"), "schema"),
    "an imported log": (_forged(imported="log.csv"), "schema"),
    "synthetic data": (_forged(synthetic=True), "schema"),
    "another key": (lambda folder: forge(folder, mark={"key_digest": _OTHER}), "schema"),
    "other predictions than their checksum": (lambda folder: forge(folder, mark={"sha256": _OTHER}), "schema"),
    "no submission.json": (_gone("submission.json"), "schema"),
    "a remark with an escape": (_forged(remark=f"good{ESCAPE}"), "texts"),
    "a remark that runs backwards": (_forged(remark=f"good{BIDI}"), "texts"),
    "a remark with HTML": (_forged(remark="<script>alert(1)</script>"), "texts"),
    "a remark with an entity": (_forged(remark="&lt;b&gt;"), "texts"),
    "a remark that is a formula": (_forged(remark='=HYPERLINK("http://x")'), "texts"),
    "a warning that is a formula": (_forged(warnings=["+1+cmd|' /C calc'!A0"]), "texts"),
    "a remark with terminal markup": (_forged(remark="[bold red]good[/]"), "texts"),
    "a remark with LaTeX": (_forged(remark=r"\input{/etc/passwd}"), "texts"),
    "a title with a zero byte": (_forged(parts={"full": "Full\x00"}), "texts"),
    "a configuration that is a path": (_forged(config_name="../../x"), "texts"),
    "packages with an escape": (_about(packages={f"numpy{ESCAPE}": "1"}), "texts"),
    "a class that is a formula": (_about(target="@SUM(1)"), "texts"),
    "a verifier with HTML": (_kept(by="<b>A. Maintainer</b>"), "texts"),
    "verified without a fold": (_kept(folds=0), "texts"),
    "a clip that is a formula": (_cell("clip", "=1+1"), "texts"),
    "a clip with an escape": (_cell("clip", f"c{ESCAPE}"), "texts"),
    "1,000 columns": (_csv(lambda text: b",".join([b"x"] * 1000) + b"\n" + text), "bounds"),
    "a line of a megabyte": (_csv(lambda text: text + b"x" * 1_000_000), "bounds"),
    "300,000 lines": (_csv(lambda text: text + b"\n" * 300_000), "bounds"),
    "zero bytes in predictions": (_csv(lambda text: text.replace(b",", b"\x00", 1)), "schema"),
    "a quote without end": (_csv(lambda text: text + b'"'), "schema"),
    "a score beyond numbers": (_cell("score_negative", float("inf")), "schema"),
    "a clip twice": (_table(lambda table: table.assign(clip=table["clip"][0])), "schema"),
    "hard clips dropped": (_table(only_right_ones), "schema"),
    "the truth rewritten": (_table(truth_as_predicted), "clips, labels, folds"),
    "a clip of another fold": (_cell("subject", "sub99"), "clips, labels, folds"),
    "a pickle in epochs": (
        _npz(_packed({"predicted.npy": _array(np.array([_Bomb()], dtype=object), pickled=True)})), "bounds"
    ),
    "epochs of a terabyte": (
        _npz(_packed({"predicted.npy": _array(np.zeros((24, 5), np.uint8), "(999999999999, 5)")})), "bounds"
    ),
    "epochs that unpack to 300 MB": (_npz(_packed({"predicted.npy": bytes(300 << 20)})), "bounds"),
    "epochs outside of their folder": (_npz(_packed({"../../evil.npy": b"x"})), "bounds"),
    "epochs that are not arrays": (_npz(b"PK\x03\x04" + b"x" * 100), "bounds"),
    "epochs that end elsewhere": (
        _npz(_packed({"predicted.npy": _array(np.full((24, 3), 2, np.uint8))})), "epochs"
    ),
    "another specification": (_keyed({"spec_digest": _OTHER}), "clips, labels, folds"),
    "another split": (_keyed({"split_digest": _OTHER}), "clips, labels, folds"),
    "another version of merbench": (_keyed({"code_versions": {"engine": 99}}), "key"),
    "other code": (_keyed({"code_digest": _OTHER}), "key"),
    "data that no one has": (_forged(data="mine"), "key"),
    "data files that the card hides": (_gone_wild, "code"),
    "figures that are not computed": (_about(figures={"full": [0.99, 0.99]}), "scores"),
    "probabilities decided otherwise": (_table(_probabilities), "probabilities and labels"),
    "the best of twenty seeds": (_keyed({"seed": 13}), "seeds"),
    "seeds that are kept back": (_about(seeds=[0, 1, 2]), "seeds"),
}  # fmt: skip


def hostile(good: Path, where: Path):
    """Yield name, folder and failing check of every hostile submission, made from a good one."""
    for number, (name, (change, check)) in enumerate(HOSTILE.items()):
        folder = where / str(number) / good.parent.name / good.name
        shutil.copytree(good, folder)
        moved = change(folder)
        yield name, moved if isinstance(moved, Path) else folder, check
