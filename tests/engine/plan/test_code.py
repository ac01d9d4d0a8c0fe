import ast
import shutil

import pytest
from support.cases import each

from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.code import code_digest, imported_modules

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


def test_comments_docstrings_and_layout_do_not_change_the_digest(folder):
    before = code_digest(folder)
    spread = "\n            (x * scale)\n            for x in train\n            if x\n"
    for old, new in each((
        ("  # a root", "  # the square root of the width"), ('"""A method."""', '# a heading\n"""A method."""'),
        ("It does something.", "It does nothing at all."), ('        """Fit."""\n', ""), ('"""A method."""\n', ""),
        ("Do nothing but say so.", "Wait."), ("\n\n", "\n\n\n"), ("\n", "\r\n"),
        ("x * scale for x in train if x", spread), ("    ", "  "),
    )):  # fmt: skip
        changed = METHOD.replace(old, new)
        assert changed != METHOD
        (folder / "method.py").write_bytes(changed.encode())
        assert code_digest(folder) == before


def test_changes_of_meaning_change_the_digest(folder):
    before = code_digest(folder)
    widths = ("width = 4", "width = 3.0", "width = '3'", "depth = 3", "width: int = 3", "width = True", "width = None")
    for old, new in each((
        *(("width = 3", width) for width in (*widths, "width = 3; pass")),
        ("x * scale", "x + scale"), ("x * scale", "scale * x"),
        ("[x * scale for x in train if x]", "{x * scale for x in train if x}"), (" if x]", "]"),
        ("return [", "yield ["), ("import sqrt", "import cbrt as sqrt"), ("async def", "def"),
        *(("(self, train)", arguments) for arguments in ("(self, train=None)", "(self, *train)", "(self, train, /)")),
        ("    def fit", "    @staticmethod\n    def fit"), ("class Mine:", "class Mine(dict):"),
        ("        return [", "        'text'\n        return ["), ("scale = sqrt", "self.scale = sqrt"),
    )):  # fmt: skip
        changed = METHOD.replace(old, new)
        ast.parse(changed)
        assert changed != METHOD
        (folder / "method.py").write_text(changed)
        assert code_digest(folder) != before


def test_values_that_look_alike_differ(tmp_path):
    values = "1 1.0 True '1' b'1' None 0 False '' ... () [] {**y} {None:y} y[:] y[None] -y ~y 1j 0.0 -0.0"
    lines = [*(f"x = {value}" for value in values.split(" ")), "del x", "x", "x: y", "x = 1\n'a'", "x = 1\n'b'"]
    lines += [f"def f():\n  return '{text}'" for text in "ab"]  # a text that is not a docstring is code
    digests = set()
    for line in lines:
        (tmp_path / "method.py").write_text(line)
        digests.add(code_digest(tmp_path))
    assert len(digests) == len(lines)


def test_place_descriptions_and_caches_do_not_change_the_digest(folder, tmp_path):
    before = code_digest(folder)
    assert code_digest(shutil.copytree(folder, tmp_path / "somewhere" / "else")) == before
    for name in ("README.md", "card.yaml", "notes.md", "parts/README.md", ".gitignore"):
        (folder / name).write_text("something else: 3\n")
    for cache in (folder / "__pycache__", folder / "parts" / "__pycache__"):
        cache.mkdir()
        (cache / "method.cpython-311.pyc").write_bytes(b"x")
        (cache / "stale.py").write_text("x = 1\n")
    assert code_digest(folder) == before


def test_each_data_or_python_file_and_its_place_change_the_digest(folder):
    digests = [code_digest(folder)]
    for name in ("weights.npz", "table.csv", "parts/words.json", "parts/net.safetensors", "noending"):
        for content in (b"\0\1\3", b"\0\1\3\n"):
            (folder / name).write_bytes(content)
            digests.append(code_digest(folder))
    for change in (
        lambda: (folder / "more.py").write_text(""),
        lambda: (folder / "more.py").rename(folder / "parts" / "more.py"),
        lambda: (folder / "parts" / "layer.py").unlink(),
    ):
        change()
        digests.append(code_digest(folder))
    assert len(set(digests)) == len(digests) == 14


def test_files_that_are_not_python_are_named_with_their_line(folder):
    cases = {b"x = 1\ny = (\n": "line 2", b"def f()\n": "line 1", b"x = '\xff'\n": "", b"x = 1\0\n": ""}
    for content, line in cases.items():
        (folder / "parts" / "layer.py").write_bytes(content)
        with pytest.raises(MerbenchError, match=rf"layer\.py .*{line}"):
            code_digest(folder)


def test_methods_import_from_their_folder_and_merbenchs_rooms_only(tmp_path):
    (tmp_path / "parts").mkdir()
    for package, file, accepted, refused in (
        (
            "mine.methods.toy", "method.py",
            ("from .net import Net", "from mine.methods.toy.net import Net", "from mine.methods import toy",
             "from .. import toy", "import torch", "from minerals import x"),
            ("from ..other.method import Net", "from .. import other", "import mine.nets", "from mine.nets import Net",
             "from mine import x", "from mine.methods import other", "from ....... import far"),
        ),
        (
            "mine.toy", "parts/layer.py",
            ("from ..net import Net", "from mine.toy.net import Net", "from . import other"),
            ("from ...net import Net", "from mine.net import Net"),
        ),
        (
            "merbench.methods.toy", "method.py",
            ("from merbench.training.layers import FastDropout",), ("from merbench.methods.ststnet.method import Net",),
        ),
    ):  # fmt: skip
        path = tmp_path / file
        for line in each(accepted):
            path.write_text(f"{line}\n", encoding="utf-8")
            assert code_digest(tmp_path, package) == code_digest(tmp_path)
        for line in each(refused):
            path.write_text(f"import numpy\n{line}\n", encoding="utf-8")
            with pytest.raises(MerbenchError, match=rf"{path.name}, line 2: (mine|merbench\.methods\.ststnet|\.)"):
                code_digest(tmp_path, package)
        path.unlink()


def test_imports_of_modules_that_are_not_installed_are_refused(tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "method.py").write_text("import numpy\nfrom helper_of_mine.parts import x\n", encoding="utf-8")
    for number, made in enumerate(each(("helper_of_mine.py", "helper_of_mine/__init__.py", "helper_of_mine/parts.py"))):
        file = tmp_path / f"elsewhere{number}" / made
        file.parent.mkdir(parents=True)
        file.write_text("raise AssertionError('it is not imported for this')\n", encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(tmp_path / f"elsewhere{number}"))
            for package in ("mine.toy", ""):
                with pytest.raises(MerbenchError, match=r"method\.py, line 2: helper_of_mine\.parts \(.*elsewhere"):
                    code_digest(folder, package)


def test_installed_modules_and_own_ones_may_be_imported(tmp_path, monkeypatch):
    site, folder = tmp_path / "lib", tmp_path / "toy"
    for place, name in ((site, "library_of_others"), (folder, "part_of_mine")):
        place.mkdir(parents=True)
        (place / f"{name}.py").write_text("", encoding="utf-8")
        monkeypatch.syspath_prepend(str(place))
    (site / "library_of_others-1.0.dist-info").mkdir()
    lines = "import os, sys, yaml, merbench.training\nimport library_of_others, part_of_mine, not_to_be_found\n"
    (folder / "method.py").write_text(lines, encoding="utf-8")
    assert code_digest(folder, "mine.toy") == code_digest(folder)


def test_a_link_to_a_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "shared").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(MerbenchError, match="shared is a link to a folder"):
        code_digest(folder)


def test_the_code_of_another_method_that_is_imported_counts(tmp_path):
    for name, line in (("mine", "from ..deep.other.net import Net"), ("deep/other", "from mer.methods.third import x")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "method.py").write_text(f"import numpy\n{line}\n")
    (tmp_path / "deep" / "other" / "net.py").write_text("class Net: pass\n")
    (tmp_path / "mine" / "card.yaml").write_text("name: mine\n")
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "__init__.py").write_text("import torch\nfrom ..mine import method\n")
    folder, package = tmp_path / "mine", "mer.methods.mine"
    for card in ("deep/other", "third"):
        with pytest.raises(MerbenchError, match=r"method\.py, line 2: mer\.methods\.(deep|third)"):
            code_digest(folder, package)
        (tmp_path / card / "card.yaml").write_text("name: x\n")
    digests = [code_digest(folder), code_digest(folder, package)]
    assert imported_modules(folder, package) == ["mer", "numpy", "torch"]
    for file in ("deep/other/net.py", "third/__init__.py"):
        (tmp_path / file).write_text((tmp_path / file).read_text() + "y = 1\n")
        digests.append(code_digest(folder, package))
    assert len(set(digests)) == 4
    (tmp_path / "third" / "__init__.py").write_text("import torch\n")
    assert code_digest(folder) == digests[0]
