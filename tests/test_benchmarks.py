"""Benchmarks whose tables or commands others rely on: the cost of all methods, and the figures of a GPU."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


def test_pages_list_every_method_and_configuration_with_the_measured_costs():
    for path, text in runpy.run_path(str(BENCHMARKS / "methods.py"))["pages"]().items():
        assert path.read_text(encoding="utf-8") == text, "write it again: uv run python benchmarks/methods.py --pages"


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
