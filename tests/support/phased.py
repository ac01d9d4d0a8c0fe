"""A toy with both kinds of pretraining, installed as a package, and a database for it.

The text from `METHOD` on is the method's; the database holds the people that a file in its folder names.
"""

from merbench.databases.registrations import register
from support.toy_package import plug_in

CARD = """\
name: {name}
title: Phased
summary: Pretrains on other clips, then in the fold, then trains.
implementation: method:Phased
auxiliary: [more, further]
inputs:
  flow: {{kind: flow}}
configurations:
  default: {{}}
  external: {{in_fold: false}}
  none: {{in_fold: false, external: false}}
ablations:
  pretraining:
    not-in-fold: {{in_fold: false}}
    none: {{in_fold: false, external: false}}
"""

METHOD = '''\
"""A toy that pretrains."""

import os

import torch
from torch import nn

from merbench.training.phases import Phase
from merbench.training.torch_method import TorchConfig, TorchMethod


class Config(TorchConfig):
    epochs: int = 3
    batch_size: int = 8
    learning_rate: float = 0.01
    external: bool = True  # pretrain on the database alone
    in_fold: bool = True  # pretrain on the fold's clips and those of the database together
    encoder: float = 0.1  # its share of the learning rate in training


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(48, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU())
        self.classifier = nn.Linear(8, classes)

    def forward(self, flow):
        return self.classifier(self.encoder(flow))


class Phased(TorchMethod):
    Config = Config
    packs = True

    @classmethod
    def auxiliary(cls, config):
        return {"more": None} if config.external or config.in_fold else {}

    def module(self):
        return Net(len(self.problem.outputs)).double()

    def tensors(self, inputs, rng=None):
        flow = torch.from_numpy(inputs["flow"].batch(rng=rng)[:, ::7, ::7]).double() / 255
        return {"flow": flow.flatten(1)}

    def reconstruction(self, module, batch, labels):
        return nn.functional.mse_loss(module.decoder(module.encoder(batch["flow"])), batch["flow"])

    def before(self, name, inputs, labels):
        settings = TorchConfig(epochs=2, batch_size=8, learning_rate=0.02)
        heads = {"decoder": lambda: nn.Linear(8, 48).double()}
        return Phase(name, inputs, labels, settings, self.reconstruction, heads=heads)

    def pretraining(self, run):
        if not self.config.external:
            return []
        if "PHASED_LOG" in os.environ:
            with open(os.environ["PHASED_LOG"], "a") as log:
                log.write(f"{run.seed}\\n")
        more = run.auxiliary("more")
        return [self.before("external", more.inputs, more.labels)]

    def phases(self, train, run):
        last = Phase("training", train.inputs, train.labels, rates={"encoder": self.config.encoder})
        if not self.config.in_fold:
            return [last]
        more = run.auxiliary("more")
        labels = [*train.labels, *more.labels]
        return [self.before("in the fold", train.inputs.joined(more.inputs), labels), last]

    def diagnose(self, inputs):
        hidden = list(self.evaluated(inputs, lambda net, batch: net.encoder(batch["flow"])))
        return {"feature/hidden": torch.cat(hidden).numpy()}
'''

DATABASE = """\
import json

import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow

WORDS = ["happiness", "disgust", "surprise", "tense"]


class More:
    card = DatabaseCard(name="NAME", title="More", datasets={"samm-lv": "SAMM-LV", "more": "More"}, licence="none",
                        source="made", offers=(Flow(), Flow(size=56)), same_people={"samm-lv": "samm"})

    def recognises(self, folder):
        return (folder / "NAME.json").exists()

    def read(self, folder, corrections=True):
        people = json.loads((folder / "NAME.json").read_text())
        rows = [dict(dataset=d, subject=s, clip=f"c{n}", emotion=word, path=f"p{n}")
                for d, subjects in people.items() for s in subjects for n, word in enumerate(WORDS)]
        return Reading(clip_table(pd.DataFrame(rows), "NAME"), "made")

    def arrays(self, folder, clips, spec):
        rng = np.random.default_rng(len("NAME"))
        return rng.integers(0, 256, (len(clips), spec.size, spec.size, 3), dtype=np.uint8)


DATABASE = More()
"""

OTHERS = '{"more": ["m1", "m2", "m3"]}'
SHARED = '{"more": ["m1"], "samm-lv": ["006", "007", "x9"]}'


def plug_in_phased(folder, monkeypatch):
    """Install the method ``phased``; returns its folder."""
    return plug_in(folder, monkeypatch, "phased", CARD, {"method.py": METHOD}, target="method:Phased")


def plug_in_database(folder, monkeypatch, people=OTHERS, name="more"):
    """Install and register the database; returns the file that names its people."""
    files = {"database.py": DATABASE.replace("NAME", name)}
    plug_in(folder, monkeypatch, name, "", files, "databases", "database:DATABASE")
    place = folder / f"{name}-data"
    place.mkdir()
    (place / f"{name}.json").write_text(people)
    register(name, place)
    return place / f"{name}.json"
