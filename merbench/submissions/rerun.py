"""Run the method of a submitted row again, where neither it nor its verifier can be fooled by what it finds.

The method is imported only in processes without labels, data and network; this process plans the run with a placeholder
that declares what the method declares. Test clips are given without names, in an order that is drawn anew.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError, create_model

from merbench.contracts.cards import Card
from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.contracts.methods import MethodConfig
from merbench.contracts.specifications import KINDS, FaceSpecification
from merbench.contracts.yamlfiles import load_yaml_model
from merbench.engine.execute.apart import run_fold_apart
from merbench.engine.execute.sandbox import isolation, run_apart
from merbench.engine.fold.answers import BATCH_TOLERANCE
from merbench.engine.fold.handed import read_answer
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS, RegisteredMethod, method_card, method_folder
from merbench.engine.plan.code import code_digest
from merbench.engine.plan.runs import PreparedProtocol, RunPlan
from merbench.records.outcome import FoldOutcome
from merbench.records.read import RecordedRun
from merbench.submissions.agreement import SPREAD, agreement, decided, spread_of
from merbench.submissions.bounds import CODE
from merbench.submissions.replan import differing, planned_anew, prepared_protocol
from merbench.submissions.submitted import Looked, Submitted

#: Shuffled labels and moved inputs are judged on so many clips or more; folds are drawn until they have them.
CLIPS = 60
#: What shows answers that are kept in the code; a row is not verified where they were not judged.
CHEATS = ("labels shuffled", "inputs moved")
#: Of the labels, so many may change where every input moves by one grey level. Measured: see docs/submitting.md.
MOVED = 0.1
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class _Code:
    """Where a method's class is: ``module:class``, below `path` unless it is installed; its folders and card."""

    target: str
    path: str | None
    folders: tuple[Path, ...]
    folder: Path
    package: str
    card: Card


def _code(submitted: Submitted) -> _Code:
    """Find the code whose digest is that of the key: installed, else as submitted."""
    name, wanted = submitted.run.file.method, submitted.run.file.key.code_digest
    if name in METHODS.names():
        entry = METHODS.entry(name)
        folder, package = method_folder(entry)
        if code_digest(folder, package) == wanted:
            top = folder.parents[package.count(".") - 1] if "." in package else folder
            around = () if package.startswith("merbench.") else (top,)
            return _Code(entry.target, None, around, folder, package, method_card(entry))
    for each in submitted.seeds:
        about, place = each.about, each.place / CODE
        if about is None or not place.is_dir() or code_digest(place, about.package) != wanted:
            continue
        module, _, cls = about.target.partition(":")
        inside = module == about.package or module.startswith(f"{about.package}.")
        if not (inside and _DOTTED.fullmatch(module) and _DOTTED.fullmatch(cls)) or module.startswith("merbench"):
            raise MerbenchError(f"submission.json: {about.target!r} is not a class in the package {about.package!r}")
        root = submitted.place / "import"
        copy = root.joinpath(*about.package.split("."))
        if not copy.exists():
            shutil.copytree(place, copy)
        return _Code(about.target, str(root), (root,), copy, about.package, load_yaml_model(copy / "card.yaml", Card))
    raise MerbenchError(f"method {name} with the code of the key is neither installed nor in the folder {CODE}")


def _ask(code: _Code, order: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"what": "describe", "target": code.target, "path": code.path, **order}
    answer = read_answer(run_apart(asked, code.folders))
    if failure := answer.get("failure"):
        raise MerbenchError(f"the method can't be loaded: {str(failure.get('message'))[:200]}")
    if changed := answer.get("changed"):
        raise MerbenchError(f"the method replaces parts of merbench: {listed(map(str, changed), most=3)}")
    return answer


def planned_apart(submitted: Submitted, prepared: PreparedProtocol) -> tuple[RunPlan, _Code]:
    """Plan the run of a submitted row anew, on this machine's data, without importing its method."""
    file, code = submitted.run.file, _code(submitted)
    if file.config_name not in code.card.configurations:
        raise MerbenchError(f"the card has no configuration {file.config_name!r}")
    named = code.card.configurations[file.config_name]
    answer = _ask(code, {"card": code.card, "task": file.task, "named": named, "config": file.key.config})
    try:
        inputs = _specs(answer["inputs"])
        auxiliary = {str(name): None if own is None else _specs(own) for name, own in answer["auxiliary"].items()}
        fields: dict[str, Any] = {str(name): (Any, value) for name, value in answer["named"].items()}
        config_class = create_model("Config", __base__=MethodConfig, **fields)
        config = config_class(**answer["config"])
    except (KeyError, TypeError, AttributeError, ValueError, ValidationError) as error:
        raise MerbenchError(f"the method declares what can't be read: {error}") from error
    placeholder = _placeholder(config_class, inputs, auxiliary)
    method = RegisteredMethod(code.card, placeholder, config_class, code.folder, "a submission", code.package)
    return planned_anew(file, method, config, prepared), code


def _specs(content: Mapping[str, Any]) -> dict[str, InputSpec]:
    found = {}
    for name, spec in content.items():
        kind = str(spec["kind"])
        if kind not in KINDS.names() or KINDS.entry(kind).origin != "merbench":
            raise MerbenchError(f"input {name!r} is of the kind {kind!r}, which is not merbench's: not run again")
        found[str(name)] = KINDS.get(kind).spec.model_validate(spec)
    return found


def _placeholder(config: type[MethodConfig], inputs: Mapping[str, Any], auxiliary: Mapping[str, Any]) -> Any:
    """Make a class that declares what a method declares, and does nothing."""

    class Placeholder:
        Config = config
        fit = predict = None

        @classmethod
        def declare_inputs(cls, _config: MethodConfig) -> dict[str, Any]:
            return dict(inputs)

        @classmethod
        def auxiliary(cls, _config: MethodConfig) -> dict[str, Any]:
            return dict(auxiliary)

    return Placeholder


def compared_key(plan: RunPlan, run: RecordedRun) -> Iterator[Looked]:
    """Compare the key made anew with the claimed one, and what is on the card but in no key."""
    one, two = plan.file, run.file
    differ = differing(plan, two)
    said = ("disclosures", "not_ranked", "sanity", "deterministic", "remark", "outputs", "warnings", "folds")
    differ += [name for name in said if getattr(one, name) != getattr(two, name)]
    if differ:
        yield Looked("failed", "key made anew", f"it differs in {listed(differ)}")
    else:
        yield Looked("ok", "key made anew", f"{plan.key_digest[:10]}, and what the card says")


class _Rerun:
    """The folds of one submitted run, run again."""

    def __init__(self, submitted: Submitted, plan: RunPlan, code: _Code) -> None:
        self._submitted, self._plan, self._code = submitted, plan, code
        self._rng = np.random.default_rng()
        self.agreement = ""
        self.agreeing = 0
        self.outcomes: dict[str, FoldOutcome] = {}

    def fold(self, task: FoldTask, name: str, seed: int | None = None) -> FoldOutcome:
        """Run one fold; MerbenchError if it fails, or replaces parts of merbench."""
        rng = np.random.default_rng(seed) if seed is not None else self._rng
        code = self._code
        outcome, answer = run_fold_apart(task, name, code.target, code.folders, code.path, rng, watch=True)
        if outcome.failure is not None:
            raise MerbenchError(f"fold {name} fails: {outcome.failure.type}: {outcome.failure.message[:300]}")
        if changed := answer.get("changed"):
            raise MerbenchError(
                f"fold {name}: the method replaces parts of merbench: {listed(map(str, changed), most=3)}"
            )
        return outcome

    def lines(self, folds: Sequence[str]) -> Iterator[Looked]:
        """Run folds again, and look at what comes of it; stops at the first that fails."""
        yield Looked("ok" if isolation().whole else "noted", "isolation", isolation().text)
        for what in (self._answers, self._twice, self._shuffled, self._moved):
            try:
                line = what(folds)
            except MerbenchError as error:
                line = Looked("failed", "run again", str(error))
            yield line
            if line.result == "failed":
                return

    def _answers(self, folds: Sequence[str]) -> Looked:
        run = self._submitted.run
        for name in folds:
            self.outcomes[name] = self.fold(self._plan.task, name)
        found = agreement(run, pd.concat([_table(outcome) for outcome in self.outcomes.values()]))
        said = f"{len(folds)} of {len(run.file.folds)} folds, {found.clips} clips: {found.differ} other labels, scores"
        said += f" differ by up to {found.largest:.2g}"
        spread = spread_of([each.run for each in self._submitted.seeds])
        outcome = found.outcome(BATCH_TOLERANCE, spread)
        if outcome == "bitwise":
            said += "; as recorded to six decimals, but for rounding in another order of clips"
        elif self._same_machine():
            return Looked("failed", "predictions", f"{said}, on the recorded hardware and packages")
        else:
            said += f"; UF1 by {found.uf1:.4f} (allowed {max(SPREAD, spread):.4f}); "
            said += "other hardware or packages than recorded"
        if outcome == "differs":
            return Looked("failed", "predictions", said)
        self.agreement, self.agreeing = outcome, len(folds)
        return Looked("ok", "predictions", said)

    def _same_machine(self) -> bool:
        about = self._submitted.about
        outcome = next(iter(self.outcomes.values()))
        if about is None or about.device != outcome.device:
            return False
        same = all(about.hardware.get(name) == outcome.hardware.get(name) for name in ("processor", "machine"))
        return same and about.packages == outcome.packages

    def _twice(self, folds: Sequence[str]) -> Looked:
        name = min(folds, key=lambda fold: self._submitted.run.file.folds[fold])
        seed = int(self._rng.integers(2**31))
        one, two = (_table(self.fold(self._plan.task, name, seed)) for _ in range(2))
        if not one.equals(two):
            return Looked("failed", "same seed twice", f"fold {name} has other scores when it is run again")
        return Looked("ok", "same seed twice", f"fold {name}: bitwise")

    def _enough(self, folds: Sequence[str]) -> list[str]:
        """Return the first folds that have enough clips together; all if they don't."""
        found, clips = [], 0
        for name in folds:
            if clips < 2 * CLIPS:
                found.append(name)
                clips += self._submitted.run.file.folds[name]
        return found

    def _shuffled(self, folds: Sequence[str]) -> Looked:
        if self._plan.file.task != "classification" or self._submitted.run.file.sanity:
            return Looked("skipped", "labels shuffled", "for classification by methods that see motion")
        chosen = self._enough(folds)
        task = replace(self._plan.task, shuffled=True)
        table = pd.concat([_table(self.fold(task, name)) for name in chosen])
        right = float((table.truth == table.predicted).mean())
        chance, bound = chance_of(table)
        said = f"{right:.2f} of {len(table)} clips are right, {chance:.2f} by chance, at most {bound:.2f}"
        if len(table) < CLIPS:
            return Looked("noted", "labels shuffled", f"{said}; not judged below {CLIPS} clips")
        return Looked("ok" if right <= bound else "failed", "labels shuffled", said)

    def _moved(self, folds: Sequence[str]) -> Looked:
        task = self._plan.task
        moved = {name: _by_a_grey_level(task.inputs[name]) for name in task.inputs.names()}
        if all(moved[name] is task.inputs[name] for name in moved):
            return Looked("skipped", "inputs moved", "it has no input that is made of pictures")
        chosen = self._enough(folds)
        inputs = Inputs(moved, task.inputs.clips)
        table = pd.concat([_table(self.fold(replace(task, inputs=inputs), name)) for name in chosen])
        both = table.merge(
            pd.concat([_table(self.outcomes[name]) for name in chosen]), on=IDENTITY, suffixes=("", "_again")
        )
        share = float((decided(both) != decided(both, "_again")).mean())
        said = f"{share:.2f} of {len(both)} labels change by one grey level, at most {MOVED:.2f}"
        if len(both) < CLIPS:
            return Looked("noted", "inputs moved", f"{said}; not judged below {CLIPS} clips")
        return Looked("ok" if share <= MOVED else "failed", "inputs moved", said)


def chance_of(table: pd.DataFrame) -> tuple[float, float]:
    """Return which share of clips labels that know nothing get right, and the most that is taken for it.

    Clips of a class and a subject are decided alike, so the standard deviation is that of a quarter of the clips.
    """
    shares = [(table.truth == name).mean() * (table.predicted == name).mean() for name in set(table.predicted)]
    chance = float(sum(shares))
    return chance, chance + 3 * 2 * float(np.sqrt(max(chance * (1 - chance), 0.01) / len(table)))


def _by_a_grey_level(array: ArrayInput) -> ArrayInput:
    """Move every value of an input that is made of pictures by one of 255 levels of its range."""
    values = array.stored()
    if not isinstance(array.spec, FaceSpecification) or values.dtype == object or values.dtype.kind not in "uf":
        return array
    if values.dtype.kind == "u":
        return ArrayInput(
            array.spec, np.where(values < 255, values + 1, values - 1).astype(values.dtype), array.prepared
        )
    span = float(values.max() - values.min()) if values.size else 0.0
    return ArrayInput(array.spec, (values + span / 255).astype(values.dtype), array.prepared)


def _table(outcome: FoldOutcome) -> pd.DataFrame:
    assert outcome.predictions is not None
    return outcome.predictions


def _drawn(clips: Mapping[str, int], count: int) -> list[str]:
    found: list[str] = []
    for name in np.random.default_rng().permutation(list(clips)).tolist():
        if len(found) < count or sum(clips[each] for each in found) < CLIPS:
            found.append(name)
    return sorted(found)


def run_again(submitted: Submitted, count: int | None) -> tuple[list[Looked], _Rerun | None]:
    """Run drawn folds of a submitted run again, `count` or as many as have `CLIPS` clips, all if None.

    Returns what was found.
    """
    prepared = prepared_protocol(submitted.run.file)  # what is lacking here is not the row's fault
    try:
        plan, code = planned_apart(submitted, prepared)
    except MerbenchError as error:
        return [Looked("failed", "key made anew", str(error))], None
    lines = list(compared_key(plan, submitted.run))
    if any(line.result == "failed" for line in lines):
        return lines, None
    folds = _drawn(plan.file.folds, count) if count is not None else list(plan.file.folds)
    rerun = _Rerun(submitted, plan, code)
    return [*lines, *rerun.lines(folds)], rerun
