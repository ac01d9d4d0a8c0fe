"""Benchmarks whose tables or commands others rely on: what methods see, their cost, and the figures of a GPU."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.metrics import f1_score
from support.coded_clips import answered, coded_clips
from support.recording import made_up_run, run_file, run_key

from merbench.contracts.clips import IDENTITY
from merbench.scoring.same_units import same_units

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.parametrize("script", ["methods.py", "planted_truth.py"])
def test_pages_show_every_method_and_the_figures_that_are_kept(script, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    for path, text in runpy.run_path(str(BENCHMARKS / script))["pages"]().items():
        assert path.read_text(encoding="utf-8") == text, f"write it again: uv run python benchmarks/{script} --pages"


@pytest.mark.slow
def test_cost_is_counted_and_timed(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    measured = runpy.run_path(str(BENCHMARKS / "methods.py"))["measured"]
    found = measured("ststnet", "quick", seconds=0)
    net = 448 + 32 + 1203  # 16 filters of 3 x 3 x 3, their batch norm, a layer from 400 to 3
    assert found["parameters"] == net
    assert found["gmac"] == pytest.approx((900 * 16 * 27 + 1200) / 1e9, rel=1e-3)
    assert found["epochs"] == 60
    assert not found["measured"]
    assert found["fold_s"] == pytest.approx(60 * found["epoch_s"], rel=0.9)
    assert measured("majority", "default", seconds=60)["measured"]


@pytest.mark.slow
def test_gpu_figures_can_be_tried_on_a_cpu_and_failures_are_skipped(tmp_path):
    out = tmp_path / "gpu.json"
    command = [sys.executable, BENCHMARKS / "gpu.py", "--device", "cpu", "--tiny", "--out", out, "--only"]

    def said(*words):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300, check=True)
        return done.stdout

    parts = ["ststnet, one by one", "ststnet, packed by 2", "mmnet tiny, 4 folds at a time"]
    table = said(*parts, "--seconds", "240")
    found = json.loads(out.read_text())["parts"]
    assert list(found) == parts
    for name in parts:
        assert found[name]["epoch_s"] > 0
        assert f"| {name} | {found[name]['epoch_s']:.4f} |" in table
    assert "| ststnet, one by one | skipped: not done in time |" in said("one by one", "--seconds", ".1")


def test_gains_are_those_of_the_same_clips(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    script = runpy.run_path(str(BENCHMARKS / "planted_truth.py"))
    clips, classes = coded_clips()
    shared = clips[same_units(clips, classes)]

    def made(method, right):
        said = [answer for _, answer in answered(right).values()]
        table = clips.assign(truth=classes, predicted=said, score_negative=[right * len(word) for word in said])
        folds = {"all": len(clips)}
        file = run_file(method, run_key(method), protocol="toys", data="toys", parts={"full": ""}, folds=folds)
        return made_up_run(file, table.sample(frac=1, random_state=int(9 * right)))

    zero, one, other = made("net", 0.5), made("net", 0.8), made("other", 0.2)
    only = set(shared[IDENTITY].itertuples(index=False, name=None))
    found = script["figures"]([zero, one], {"other": other}, only)

    def uf1(run, inside):
        table = run.predictions.loc[inside]
        return f1_score(table.truth, table.predicted, average="macro")

    pair = one.predictions.predicted == zero.predictions.predicted.reindex(one.predictions.index)
    assert found["same_predictions"] == pair.sum()
    assert not found["same_scores"]
    assert found["shared_clips"] == len(shared)
    for figures, inside in ((found, clips.index), (found["shared"], shared.index)):
        assert figures["gain"]["uf1"] == pytest.approx(uf1(one, inside) - uf1(zero, inside), abs=1e-6)
    assert found["minus_other"]["uf1"] == pytest.approx(uf1(one, clips.index) - uf1(other, clips.index), abs=1e-6)
    same = script["figures"]([one, one], {}, only)
    assert same["same_scores"]
    assert same["gain"] == {"uf1": 0, "low": 0, "high": 0}


@pytest.mark.slow
def test_the_state_of_the_art_has_the_figures_of_the_committed_rows(monkeypatch):
    """Every figure between its marks is computed anew."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    script = runpy.run_path(str(BENCHMARKS / "state_of_the_art.py"))
    for path, sections in script["PAGES"].items():
        kept = path.read_text(encoding="utf-8")
        for section in sections:
            again = script["between_marks"](path, section.__name__, section())  # refuses a page without the marks
            assert again == kept, "write it again: uv run python benchmarks/state_of_the_art.py"
