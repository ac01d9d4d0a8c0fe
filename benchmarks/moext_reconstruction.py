"""MoExt's reconstruction of the apexes of held-out clips, beside a copy of the onset.

Mean absolute differences to the apex in grey levels of 0..255: over the whole face, and over the tenth of its locations
that change most from onset to apex in the clip. The reconstruction is that of pre-training, before fine-tuning.
Run: uv run python benchmarks/moext_reconstruction.py [--data DIR] [--config small] [--set KEY=VALUE]... [--folds F]...
"""

import argparse
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from merbench.methods.moext.method import MoExt, reconstruct, scaled

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Prediction
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import named_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs


class _Watched(MoExt):
    """Notes the errors of the clips that it predicts."""

    found: ClassVar[list[npt.NDArray[np.float32]]] = []

    def predict(self, inputs: Inputs) -> Prediction:
        with torch.no_grad():
            frames = scaled(self.tensors(inputs)["frames"])
            self.kept.eval()
            found = reconstruct(self.kept, frames)[0]
        onset, apex = frames.unbind(dim=1)
        change = (apex - onset).abs().mean(dim=1).flatten(1)
        moving = change >= change.quantile(0.9, dim=1, keepdim=True)
        errors = [change, (apex - found).abs().mean(dim=1).flatten(1)]
        whole = [each.mean(dim=1) for each in errors]
        there = [(each * moving).sum(dim=1) / moving.sum(dim=1) for each in errors]
        self.found.append(127.5 * torch.stack([*whole, *there], dim=1).numpy())
        return super().predict(inputs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="synthetic-small")
    parser.add_argument("--config", default="small")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--folds", action="append", default=[])
    options = parser.parse_args()
    prepared = PreparedProtocol.of(protocol("megc2019"), named_data(options.data))
    settings = dict(each.split("=", 1) for each in options.settings) | {"epochs": "1", "warmup_epochs": "0"}
    (plan,) = plan_runs(Request.named(("moext",), options.config, settings=settings), [prepared])
    folds, parts = options.folds or list(plan.file.folds), []
    for fold in folds:
        _Watched.found.clear()
        outcome = run_fold(replace(plan.task, method=_Watched), fold)
        if outcome.failure:
            raise SystemExit(outcome.failure.traceback)
        parts.append(max(_Watched.found, key=len))  # it predicts the fold whole, and in smaller batches
    errors, about = np.concatenate(parts), " ".join([f"moext:{options.config}", *options.settings])
    print(f"{about} on {options.data}, {len(folds)} folds, {len(errors)} held-out clips")
    print("| mean difference to the apex | copy of the onset | reconstruction |")
    print("|---|--:|--:|")
    for name, (copied, found) in zip(
        ("whole face", "tenth that changes most"), errors.mean(axis=0).reshape(2, 2), strict=True
    ):
        print(f"| {name} | {copied:.2f} | {found:.2f} |")
    better = (errors[:, 1] < errors[:, 0]).mean(), (errors[:, 3] < errors[:, 2]).mean()
    print(f"closer than the onset in {better[0]:.0%} of clips, in {better[1]:.0%} where it changes most")


if __name__ == "__main__":
    main()
