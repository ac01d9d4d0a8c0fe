import ast
import shutil

import pytest

from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.code import code_digest, syntax_digest

METHOD = '''\
"""A method."""

from math import sqrt


class Mine:
    """It does something."""

    width = 3

    def fit(self, train):
        """Fit."""
        scale = sqrt(self.width)  # a root
        return [x * scale for x in train if x]

    async def wait(self):
        """Do nothing but say so."""
'''


@pytest.fixture
def folder(tmp_path):
    """Return a method's folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Mine."""\n')
    (folder / "method.py").write_text(METHOD)
    (folder / "card.yaml").write_text("name: mine\n")
    (folder / "README.md").write_text("Mine.\n")
    (folder / "weights.npz").write_bytes(b"\0\1\2")
    (folder / "parts").mkdir()
    (folder / "parts" / "layer.py").write_text("def layer(x):\n    return x\n")
    return folder


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("  # a root", "  # the square root of the width"),
        lambda text: "# a heading\n" + text,
        lambda text: text.replace("It does something.", "It does nothing at all."),
        lambda text: text.replace('        """Fit."""\n', ""),
        lambda text: text.replace('"""A method."""\n', ""),
        lambda text: text.replace("Do nothing but say so.", "Wait."),
        lambda text: text.replace("\n\n", "\n\n\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(
            "x * scale for x in train if x",
            "\n            (x * scale)\n            for x in train\n            if x\n        ",
        ),
        lambda text: text.replace("    ", "  "),
    ],
    ids=[
        "comment",
        "first line",
        "docstring",
        "no docstring",
        "no head",
        "another",
        "blank lines",
        "line ends",
        "layout",
        "indent",
    ],
)
def test_what_only_people_read_does_not_change_the_digest(folder, change):
    before = code_digest(folder)
    changed = change(METHOD)
    assert changed != METHOD
    (folder / "method.py").write_bytes(changed.encode())
    assert code_digest(folder) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = 3", "width = 4"),
        ("width = 3", "width = 3.0"),
        ("width = 3", "width = '3'"),
        ("width = 3", "depth = 3"),
        ("width = 3", "width: int = 3"),
        ("width = 3", "width = True"),
        ("width = 3", "width = None"),
        ("width = 3", "width = 3; pass"),
        ("x * scale", "x + scale"),
        ("x * scale", "scale * x"),
        ("[x * scale for x in train if x]", "{x * scale for x in train if x}"),
        (" if x]", "]"),
        ("return [", "yield ["),
        ("import sqrt", "import cbrt as sqrt"),
        ("async def", "def"),
        ("(self, train)", "(self, train=None)"),
        ("(self, train)", "(self, *train)"),
        ("(self, train)", "(self, train, /)"),
        ("    def fit", "    @staticmethod\n    def fit"),
        ("class Mine:", "class Mine(dict):"),
        ("        return [", "        'text'\n        return ["),
        ("scale = sqrt", "self.scale = sqrt"),
    ],
)
def test_what_a_computer_reads_changes_the_digest(folder, old, new):
    before = code_digest(folder)
    changed = METHOD.replace(old, new)
    assert changed != METHOD
    ast.parse(changed)
    (folder / "method.py").write_text(changed)
    assert code_digest(folder) != before


def test_values_that_only_look_alike_differ(tmp_path):
    lines = [
        "x = 1",
        "x = 1.0",
        "x = True",
        "x = '1'",
        "x = b'1'",
        "x = None",
        "x = 0",
        "x = False",
        "x = ''",
        "x = ...",
        "x = ()",
        "x = []",
    ]
    lines += [
        "x = {**y}",
        "x = {None: y}",
        "x = y[:]",
        "x = y[None]",
        "x = -y",
        "x = ~y",
        "del x",
        "x",
        "x: y",
        "x = 1j",
        "x = 0.0",
        "x = -0.0",
    ]
    digests = set()
    for number, line in enumerate(lines):
        path = tmp_path / f"{number}.py"
        path.write_text(line)
        digests.add(syntax_digest(path))
    assert len(digests) == len(lines)


def test_a_text_that_is_no_docstring_is_code(tmp_path):
    digests = []
    for number, code in enumerate(
        ["x = 1\n'a'\n", "x = 1\n'b'\n", "def f():\n  return 'a'\n", "def f():\n  return 'b'\n"]
    ):
        path = tmp_path / f"{number}.py"
        path.write_text(code)
        digests.append(syntax_digest(path))
    assert len(set(digests)) == 4


@pytest.mark.parametrize("name", ["README.md", "card.yaml", "notes.md", "parts/README.md", ".gitignore"])
def test_descriptions_and_the_card_do_not_change_the_digest(folder, name):
    before = code_digest(folder)
    (folder / name).write_text("something else: 3\n")
    assert code_digest(folder) == before


def test_what_python_leaves_behind_does_not_change_the_digest(folder):
    before = code_digest(folder)
    for cache in (folder / "__pycache__", folder / "parts" / "__pycache__"):
        cache.mkdir()
        (cache / "method.cpython-311.pyc").write_bytes(b"x")
        (cache / "stale.py").write_text("x = 1\n")
    assert code_digest(folder) == before


@pytest.mark.parametrize("name", ["weights.npz", "table.csv", "parts/words.json", "parts/net.safetensors", "noending"])
def test_the_bytes_of_a_data_file_change_the_digest(folder, name):
    digests = [code_digest(folder)]
    for content in (b"\0\1\3", b"\0\1\3\n"):
        (folder / name).write_bytes(content)
        digests.append(code_digest(folder))
    assert len(set(digests)) == 3


def test_a_new_moved_or_missing_python_file_changes_the_digest(folder):
    digests = [code_digest(folder)]
    (folder / "more.py").write_text("")
    digests.append(code_digest(folder))
    (folder / "more.py").rename(folder / "parts" / "more.py")
    digests.append(code_digest(folder))
    (folder / "parts" / "layer.py").unlink()
    digests.append(code_digest(folder))
    assert len(set(digests)) == 4


def test_where_the_folder_lies_does_not_change_the_digest(folder, tmp_path):
    elsewhere = tmp_path / "somewhere" / "else"
    shutil.copytree(folder, elsewhere)
    assert code_digest(elsewhere) == code_digest(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x = 1\ny = (\n", "line 2"), (b"def f()\n", "line 1"), (b"x = '\xff'\n", ""), (b"x = 1\0\n", "")],
    ids=["open", "colon", "bytes", "nought"],
)
def test_a_file_that_is_no_python_is_named_with_its_line(folder, content, said):
    (folder / "parts" / "layer.py").write_bytes(content)
    with pytest.raises(MerbenchError, match=rf"layer\.py is not valid Python: .*{said}"):
        code_digest(folder)


@pytest.mark.parametrize(
    "line",
    [
        "from ..other.method import Net",
        "from .. import other",
        "import mine.nets",
        "from mine.nets import Net",
        "from mine import x",
        "from mine.methods import other",
        "from ....... import far",
    ],
)
def test_imports_of_own_code_from_outside_the_folder_are_refused(tmp_path, line):
    (tmp_path / "method.py").write_text(f"import numpy\n{line}\n", encoding="utf-8")
    with pytest.raises(MerbenchError, match=r"method\.py, line 2: .* is outside the method's folder"):
        code_digest(tmp_path, "mine.methods.toy")


@pytest.mark.parametrize(
    "line",
    [
        "from .net import Net",
        "from mine.methods.toy.net import Net",
        "from mine.methods import toy",
        "from .. import toy",
        "import torch",
        "from minerals import x",
    ],
)
def test_imports_within_the_folder_and_of_other_packages_are_fine(tmp_path, line):
    (tmp_path / "method.py").write_text(f"{line}\n", encoding="utf-8")
    assert code_digest(tmp_path, "mine.methods.toy") == code_digest(tmp_path)


@pytest.mark.parametrize("made", ["helper_of_mine.py", "helper_of_mine/__init__.py", "helper_of_mine/parts.py"])
def test_imports_of_what_is_not_installed_are_refused_wherever_it_is_found(tmp_path, monkeypatch, made):
    file = tmp_path / "elsewhere" / made
    file.parent.mkdir(parents=True)
    file.write_text("raise AssertionError('it is not imported for this')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "method.py").write_text("import numpy\nfrom helper_of_mine.parts import x\n", encoding="utf-8")
    told = r"method\.py, line 2: helper_of_mine\.parts \(.*elsewhere.*\) is outside the method's folder"
    for package in ("mine.toy", ""):
        with pytest.raises(MerbenchError, match=told):
            code_digest(folder, package)


def test_what_is_installed_or_lies_in_the_folder_may_be_imported_by_its_own_name(tmp_path, monkeypatch):
    site, folder = tmp_path / "lib", tmp_path / "toy"
    for place, name in ((site, "library_of_others"), (folder, "part_of_mine")):
        place.mkdir(parents=True)
        (place / f"{name}.py").write_text("", encoding="utf-8")
        monkeypatch.syspath_prepend(str(place))
    (site / "library_of_others-1.0.dist-info").mkdir()
    lines = "import os, sys, yaml, merbench.training\nimport library_of_others, part_of_mine, not_to_be_found\n"
    (folder / "method.py").write_text(lines, encoding="utf-8")
    assert code_digest(folder, "mine.toy") == code_digest(folder)


def test_a_module_deeper_in_the_folder_may_import_what_lies_further_up_but_not_outside(tmp_path):
    (tmp_path / "parts").mkdir()
    for line in ("from ..net import Net", "from mine.toy.net import Net", "from . import other"):
        (tmp_path / "parts" / "layer.py").write_text(f"{line}\n", encoding="utf-8")
        assert code_digest(tmp_path, "mine.toy") == code_digest(tmp_path)
    for line in ("from ...net import Net", "from mine.net import Net"):
        (tmp_path / "parts" / "layer.py").write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(MerbenchError, match=r"layer\.py, line 1: mine\.net is outside the method's folder"):
            code_digest(tmp_path, "mine.toy")


def test_a_folder_that_is_a_link_is_refused_since_its_files_would_go_unnoticed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "shared").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(MerbenchError, match="shared is a link to a folder"):
        code_digest(folder)


def test_of_merbench_a_method_may_import_rooms_but_no_other_method(tmp_path):
    (tmp_path / "method.py").write_text("from merbench.training.layers import FastDropout\n", encoding="utf-8")
    assert code_digest(tmp_path, "merbench.methods.toy")
    (tmp_path / "method.py").write_text("from merbench.methods.ststnet.method import Net\n", encoding="utf-8")
    with pytest.raises(MerbenchError, match="outside the method's folder"):
        code_digest(tmp_path, "merbench.methods.toy")
