"""Sanity rows as planned and recorded: which these are, and which are not available."""

from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.registrations import open_source
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs
from merbench.engine.plan.sanity import plan_sanity
from merbench.records.folder import RunFolder


def planned(prepared, **asked):
    request = Request.named(**{"methods": ("svm-flow",)} | asked)
    plans = plan_runs(request, [prepared])
    return plans, *plan_sanity([request], plans, [prepared])


def names(plans):
    return [" ".join(filter(None, [p.file.method, p.file.config_name, p.file.variant, str(p.file.key.seed)]))
            for p in plans]  # fmt: skip


def test_the_rows_see_no_motion_or_are_on_shuffled_labels(prepared):
    plans, sanity, notes = planned(prepared, methods=("svm-flow",), seeds=(3, 4))
    assert names(plans) == ["svm-flow default 3"]
    assert names(sanity) == [
        "majority default 3", "stratified-random default 3", "stratified-random default 4", "database-only default 3",
        "database-only balanced 3", "svm-flow default labels shuffled 3", "svm-flow default labels shuffled 4",
    ]  # fmt: skip
    assert [plan.file.sanity for plan in plans + sanity] == [False, False] + [True] * 6  # the floor is ranked
    notes = [str(note) for note in notes]
    assert [note.partition(" is not available: ")[0] for note in notes] == [
        "sanity row duration-only", "sanity row onset-frame-only",
    ]  # fmt: skip
    assert "onset, offset, fps" in notes[0]
    assert "megc2019-flow28 has only flow(" in notes[1]


def test_rows_that_are_asked_for_by_name_are_not_added_again(prepared):
    plans, sanity, _ = planned(prepared, methods=("majority", "svm-flow"))
    assert names(plans) == ["majority default 0", "svm-flow default 0"]
    assert "majority default 0" not in names(sanity)
    assert [plan.file.sanity for plan in plans] == [False, False]


def test_a_run_on_shuffled_labels_is_another_run_and_says_so(prepared):
    (own,), sanity, _ = planned(prepared, settings={"C": "2"})
    shuffled = sanity[-1]
    assert shuffled.file.variant == f"{own.file.variant}, labels shuffled" == "C=2.0, labels shuffled"
    assert shuffled.run_id.startswith("svm-flow-small-shuffled-s0-")
    assert shuffled.file.key == own.file.key.model_copy(update={"shuffled": True})
    assert shuffled.key_digest != own.key_digest
    assert shuffled.task.shuffled
    assert not shuffled.file.deterministic


def test_action_units_have_the_rows_that_apply(prepared, tmp_path, miniature, quick_flow):
    folder = miniature.write_samm(tmp_path / "s", miniature.SAMM_ROWS[:3], tree="SAMM_CROP")
    spec = ProtocolSpec(
        name="units", title="Toy", summary="A toy.", source={"text": "tests"}, task="au-detection", units=(4, 12),
        datasets={"samm": {"title": "SAMM"}}, folds="leave-one-subject-out",
    )  # fmt: skip
    data = Data("samm", "a test", (open_source("samm", folder),))
    units = PreparedProtocol.of(spec, data)
    _, sanity, notes = planned(units, methods=("always-shown",))
    assert names(sanity) == [
        "stratified-random default 0", "database-only default 0", "database-only balanced 0",
        "always-shown default labels shuffled 0",
    ]  # fmt: skip
    assert [str(note) for note in notes] == [
        f"sanity row {name} is not available: method {name} is for classification, protocol units is for au-detection: "
        "merbench methods names the tasks of each"
        for name in ("duration-only", "onset-frame-only")
    ]
    for plan in sanity:
        assert run_fold(plan.task, next(iter(plan.file.folds))).failure is None


def test_a_sanity_row_is_one_whoever_asks_for_it(prepared, tmp_path):
    plans, added, _ = planned(prepared, methods=("stratified-random", "majority"))
    assert {plan.file.method: plan.file.sanity for plan in plans} == {"stratified-random": True, "majority": False}
    assert "stratified-random default 0" not in names(added)
    folder = RunFolder(tmp_path / plans[0].run_id)
    folder.start(plans[0].file.model_copy(update={"sanity": False, "sequence": 3}))  # of an earlier version of the card
    folder.start(plans[0].file)
    assert (folder.read_run().sanity, folder.read_run().sequence) == (True, 3)
