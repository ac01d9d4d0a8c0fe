"""A toy method for plans of runs, installed as a package while the tests run."""

import itertools

from support.plugins import forget

CARD = """\
name: {name}
title: Toy
summary: For the tests.
implementation: method:Toy
inputs:
  flow: {{kind: flow}}
configurations:
  default: {{}}
  long: {{epochs: 9}}
"""

METHOD = '''\
"""A toy."""

from merbench.contracts.methods import MethodConfig, Prediction

from .share import SHIFT


class Config(MethodConfig):
    epochs: int = 3
    rate: float = 0.5
    layers: tuple[int, ...] = (4, 2)


class Toy:
    """Answers the mean of each channel."""

    Config = Config

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        """Do nothing."""

    def predict(self, inputs):
        # the mean
        return Prediction(inputs["flow"].batch().mean(axis=(1, 2)) + SHIFT)
'''

NUMBERS = itertools.count()


def plug_in(folder, monkeypatch, name="toy", card=CARD, files=None, group="methods", target="method:Toy"):
    """Install a package that offers one thing, as an installer would leave it; give its folder."""
    package = f"toyplan{next(NUMBERS)}"
    site = folder / f"site-{package}"
    home = site / package
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    for path, content in ({"method.py": METHOD, "share.py": "SHIFT = 1.0\n"} if files is None else files).items():
        (home / path).write_text(content)
    if card:
        (home / "card.yaml").write_text(card.format(name=name))
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[merbench.{group}]\n{name} = {package}.{target}\n")
    monkeypatch.syspath_prepend(site)
    forget()
    return home


def swap(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    forget()
