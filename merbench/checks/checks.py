"""The checks that every method must satisfy. Each returns one line of evidence."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from merbench.checks.checked import SEEDS, CheckedMethod
from merbench.checks.observation import Difference, apart, observe, worst
from merbench.checks.synthetic_clips import poisoned
from merbench.contracts.cards import Task, holds
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.names import shown
from merbench.engine.fold.answers import BATCH_TOLERANCE
from merbench.engine.fold.folds import run_fold
from merbench.scoring.chance import by_chance

_Result = Literal["passed", "failed", "not applicable"]
_Verdict = tuple[_Result, str]
_Look = Callable[[CheckedMethod], _Verdict]


@dataclass(frozen=True)
class Finding:
    """The result of a check on a method, under one of its tasks."""

    check: str
    holds: str  #: its requirement
    task: Task
    result: _Result
    evidence: str  #: one line, with figures


@dataclass(frozen=True)
class _Check:
    """A name, a requirement and the function that examines a method; calling it returns the finding."""

    name: str
    holds: str
    look: _Look
    predicts: bool  #: it applies only to methods that run

    def __call__(self, checked: CheckedMethod) -> Finding:
        result, evidence = self.look(checked) if checked.runs or not self.predicts else _NOT_RUN
        return Finding(self.name, self.holds, checked.task, result, shown(" ".join(evidence.split())))


_NOT_RUN: _Verdict = ("not applicable", "the method does not run, see the check contract")
#: In the order in which they are reported.
CHECKS: list[_Check] = []


def _check(name: str, holds: str, predicts: bool = True) -> Callable[[_Look], _Look]:
    """Add a function to the checks."""

    def added(look: _Look) -> _Look:
        CHECKS.append(_Check(name, holds, look, predicts))
        return look

    return added


@_check("contract", "every fold runs and returns a score for each clip and output", predicts=False)
def _contract(checked: CheckedMethod) -> _Verdict:
    for fold, seen in zip(checked.folds, checked.plain, strict=True):
        if seen.failure:
            return "failed", f"fold {fold}: {seen.failure}"
    said = any((seen.batch and seen.batch[0] > BATCH_TOLERANCE) or seen.changed for seen in checked.plain)  # by others
    if not said and (failure := checked.unobserved):
        return "failed", f"fold {checked.folds[-1]} fails when nothing observes it: {failure}"
    outputs = len(checked.fold_task.split.problem.outputs)
    return "passed", f"{len(checked.folds)} folds run; finite scores of {outputs} outputs for every clip"


@_check("shuffled labels", "predictions use no knowledge of the test labels")
def _shuffled(checked: CheckedMethod) -> _Verdict:
    """Judge by the first shuffles; by further ones, and by these alone, if the first are above the bound."""
    if failed := [seen.failure for seen in checked.shuffled if seen.failure]:
        return "failed", f"the method does not run with shuffled training labels: {failed[0]}"
    problem = checked.fold_task.split.problem
    first = reached = by_chance(problem, (seen.table for seen in checked.shuffled))
    if first.uar > first.bound + 1e-9:
        if failed := [seen.failure for seen in checked.shuffled_further if seen.failure]:
            return "failed", f"the method does not run with shuffled training labels: {failed[0]}"
        reached = by_chance(problem, (seen.table for seen in checked.shuffled_further))
    before = "" if reached is first else f"; UAR {first.uar:.3f} in {first.folds} folds before, bound {first.bound:.3f}"
    learned = by_chance(problem, (seen.table for seen in checked.plain)).uar
    return _verdict(
        reached.uar <= reached.bound + 1e-9,
        f"UAR {reached.uar:.3f} in {reached.folds} folds with shuffled labels, chance {reached.chance:.3f} + 3 x "
        f"{reached.sd:.3f} = {reached.bound:.3f} ({learned:.3f} with the true labels){before}",
    )


@_check("batch independence", "a prediction does not depend on the other clips in the batch")
def _batch(checked: CheckedMethod) -> _Verdict:
    if checked.fold_task.transductive:
        return "not applicable", "the card says transductive: predictions may depend on the other test clips"
    how = "predicted one by one and in halves"
    if any(seen.refitted for seen in checked.plain):
        if not checked.reproducible:
            why = "the method can't be copied before it predicts, and the same seed gives a different result"
            return "failed", f"{why}, so this can't be checked: let copy.deepcopy copy it, see __deepcopy__"
        how = "the method can't be copied; another fit predicted one by one"
    return _asked_again(f"{how}, also in a fresh process" if checked.batch_alone else how, checked.batch)


@_check("test order", "a prediction does not depend on the order of the test clips")
def _order(checked: CheckedMethod) -> _Verdict:
    return _asked_again("predicted in two other orders", worst(seen.order for seen in checked.plain))


@_check("epoch predictions", "predictions after each epoch do not affect training")
def _epochs(checked: CheckedMethod) -> _Verdict:
    """Compare a fold that is predicted after each epoch with the same fold that is not."""
    found = checked.epoch_by_epoch
    if found.failure:
        if run_fold(checked.fold_task, checked.folds[-1]).failure:
            return "failed", f"the last fold fails, with and without predictions after each epoch: {found.failure}"
        return "failed", f"the fold fails if its test clips are predicted after each epoch: {found.failure}"
    if found.epochs is None:
        return "not applicable", "the method does not report epochs"
    most, _ = apart(checked.plain[-1], found)
    return _asked_again(f"predicted after each of {found.epochs} epochs, and at the end only", (most, ""))


@_check("same seed twice", "the same seed gives the same result again")
def _same_seed(checked: CheckedMethod) -> _Verdict:
    most, _ = apart(checked.plain[-1], checked.seeds[0])
    if checked.reproducible:
        return "passed", "bitwise the same" if most == 0 else f"the same within tolerance: {_differing(most)}"
    others = _differing(_spread(checked))
    return "failed", f"the same seed gives a different result: {_differing(most)}; other seeds: {others}"


@_check("card: deterministic", "results differ between seeds unless the card says deterministic")
def _deterministic(checked: CheckedMethod) -> _Verdict:
    if not checked.reproducible:
        return "not applicable", "the same seed gives a different result"
    spread = _spread(checked)
    same, said = spread <= BATCH_TOLERANCE, f"{SEEDS} seeds: {_differing(spread)}"
    if holds(checked.method.card.deterministic, checked.fold_task.config):
        return _verdict(same, f"the card says deterministic; {said}")
    hint = "; deterministic: true on the card would save seeds, if this holds for other data too" if same else ""
    return "passed", f"the card says random; {said}{hint}"


@_check("global random state", "random draws follow from the run's seed")
def _generators(checked: CheckedMethod) -> _Verdict:
    first, again, others = checked.plain[-1], checked.seeds[0], checked.seeds[1:]
    fine = []
    for name in sorted(set(first.began) & set(again.ended)):
        if again.began[name] == again.ended[name]:
            fine.append(f"{name} unused")
        elif first.ended.get(name) != again.ended[name] and first.began.get(name) == again.began[name]:
            state = "a different state for the same seed: it is seeded by the clock"
            return "failed", f"{name}'s global generator ends in {state}"
        elif all(seen.ended.get(name) == again.ended[name] for seen in others):
            state = "the same state for every seed: it is seeded by a constant"
            return "failed", f"{name}'s global generator ends in {state}"
        else:
            fine.append(f"{name} used, following the run's seed")
    return "passed", f"global generators: {', '.join(fine)}"


@_check("between folds", "no state is kept from fold to fold")
def _between_folds(checked: CheckedMethod) -> _Verdict:
    most, failure = apart(checked.plain[-1], checked.alone)
    if failure:
        return "failed", f"the last fold fails in a fresh process: {failure}"
    return _asked_again(f"a fold after {len(checked.folds) - 1} others, and in a fresh process", (most, ""))


@_check("another process", "class and settings can be sent to workers", predicts=False)
def _pickled(checked: CheckedMethod) -> _Verdict:
    task = checked.fold_task
    try:
        method, config = pickle.loads(pickle.dumps((task.method, task.config)))  # noqa: S301 - made in this line
    except Exception as error:  # noqa: BLE001 - what a class or its settings hold may raise anything
        return "failed", f"class and settings can't be sent to a worker: {error}"
    if method is not task.method or config != task.config:
        return "failed", "class or settings change when they are pickled"
    return "passed", f"{method.__module__}:{method.__qualname__} and its settings are unchanged by pickle"


@_check("inputs unchanged", "inputs and labels are not changed in place")
def _unchanged(checked: CheckedMethod) -> _Verdict:
    if changed := sorted({name for seen in checked.plain for name in seen.changed}):
        return "failed", f"changed in place: {listed(changed)}"
    return "passed", "inputs, labels, subjects and datasets are the same after fit and predict"


@_check("files and network", "no outside file, process or network address is used", predicts=False)
def _outside(checked: CheckedMethod) -> _Verdict:
    alone = checked.alone
    if alone.trespasses:
        return "failed", listed(alone.trespasses, 3)
    if alone.failure and checked.runs:
        return "failed", f"the fold fails without test labels and clip table: {alone.failure}"
    if alone.failure:
        return _NOT_RUN
    read = f"; files read from its folder and caches: {listed(alone.files, 3)}" if alone.files else ""
    return "passed", f"no access to files, folders, network or processes outside Python's libraries{read}"


@_check("auxiliary data", "auxiliary clips of held-out people are not used")
def _auxiliary(checked: CheckedMethod) -> _Verdict:
    if not checked.fold_task.auxiliary:
        return "not applicable", "no auxiliary data in this configuration"
    if not checked.reproducible:
        return "not applicable", "the same seed gives a different result"
    fold = checked.folds[0]
    task, clips = poisoned(checked.fold_task, fold)
    most, failure = apart(checked.plain[0], observe(task, fold))
    how = f"{clips} auxiliary clips of the person held out in fold {fold} replaced by NaN, other bytes, other labels"
    return _asked_again(how, (most, failure))


@_check("card: complete", "every field is filled, every configuration and ablation is valid", predicts=False)
def _complete(checked: CheckedMethod) -> _Verdict:
    card = checked.method.card
    empty = [name for name in ("title", "summary") if not getattr(card, name).strip()]
    if empty or not card.tasks:
        return "failed", f"empty on the card: {listed([*empty, *([] if card.tasks else ['tasks'])])}"
    changes = [row for rows in card.ablations.values() for row in rows.values()]
    try:
        for name in card.configurations:
            checked.method.resolve(name)
        for row in changes:
            checked.method.config_class.model_validate({**card.configurations[card.default], **row})
    except (MerbenchError, ValueError) as error:
        return "failed", str(error)
    said = [
        listed(card.tasks),
        "transductive" if checked.fold_task.transductive else "inductive",
        "deterministic" if holds(card.deterministic, checked.fold_task.config) else "random",
        f"weights have seen {listed(card.facts('data_seen', checked.fold_task.config)) or 'no data'}",
        "AU labels at test" if card.au_labels_at_test else "no AU labels at test",
        f"configurations ({len(card.configurations)}) and ablations ({len(changes)}) are valid",
    ]
    return "passed", "; ".join(said)


@_check("card: epochs", "epochs are reported if and only if the card says so")
def _epochs_told(checked: CheckedMethod) -> _Verdict:
    if checked.epoch_by_epoch.failure:
        return "not applicable", "the fold fails if its test clips are predicted after each epoch"
    reported, said = checked.epoch_by_epoch.epochs, checked.method.card.epochs
    found = "reports none" if reported is None else f"reports {reported}"
    if said is not None:
        says = "has epochs" if said else "has no epochs"
        return _verdict(said is (reported is not None), f"the card says that the method {says}; it {found}")
    hint = "; epochs: false on the card would let --select inner be refused at once" if reported is None else ""
    return "passed", f"the card does not say whether the method has epochs; it {found}{hint}"


@_check("card: inputs", "the declared inputs are the inputs read")
def _inputs_read(checked: CheckedMethod) -> _Verdict:
    declared = set(checked.fold_task.inputs.names())
    unread = sorted(declared - {name for seen in checked.plain for name in seen.read | seen.read_at_test})
    if unread:
        several = len(checked.method.card.tasks) > 1
        hint = f" under {checked.task}; declare_inputs(config, task) may declare fewer" if several else ""
        return "failed", f"declared and never read: {listed(unread)}{hint}"
    return "passed", f"reads {listed(sorted(declared)) or 'no input, and declares none'}"


@_check("card: transductive", "test clips are used if and only if the card says so")
def _transductive(checked: CheckedMethod) -> _Verdict:
    used = sorted({name for seen in checked.plain for name in seen.read_of_test})
    depends = checked.batch[0] > BATCH_TOLERANCE
    if checked.fold_task.transductive:
        what = f"uses {listed(used) or 'the other clips in the batch'}" if used or depends else "uses no test clips"
        return _verdict(bool(used or depends), f"the card says transductive; the method {what}")
    if depends:
        return "failed", "the card says inductive; predictions depend on the other test clips"
    return "passed", "the card says inductive; no test clips in training, and predictions are independent"


@_check("card: AU labels at test", "AU labels are used at test if and only if the card says so")
def _labels_at_test(checked: CheckedMethod) -> _Verdict:
    inputs = checked.fold_task.inputs
    labels = {name for name in inputs.names() if inputs[name].spec.training_only}
    used = sorted({name for seen in checked.plain for name in seen.read_at_test} & labels)
    if not checked.method.card.au_labels_at_test:
        return "passed", "the card says none, and none are passed"
    return _verdict(bool(used), f"the card says AU labels at test; read: {listed(used) or 'none'}")


@_check("card: data seen", "files such as weights are read only if the card names their training data")
def _data_seen(checked: CheckedMethod) -> _Verdict:
    read, seen = checked.alone.files, checked.method.card.facts("data_seen", checked.fold_task.config)
    if read and not seen:
        return "failed", f"the card does not name the data behind the files that are read: {listed(read, 3)}"
    said = f"files read: {listed(read, 3)}" if read else "no file is read in this configuration"
    return "passed", f"the card says {listed(seen) or 'none'}; {said}"


def _verdict(holds: bool, evidence: str) -> _Verdict:
    return ("passed" if holds else "failed"), evidence


def _asked_again(how: str, found: Difference) -> _Verdict:
    most, failure = found
    return _verdict(most <= BATCH_TOLERANCE, f"{how}: {failure or _differing(most)}")


def _differing(most: float) -> str:
    if most == 0:
        return "bitwise the same"
    if np.isinf(most):
        return "classes differ"
    return f"scores differ by {most:.1e} at most (allowed {BATCH_TOLERANCE:g})"


def _spread(checked: CheckedMethod) -> float:
    return max(apart(checked.seeds[0], seen)[0] for seen in checked.seeds[1:])
