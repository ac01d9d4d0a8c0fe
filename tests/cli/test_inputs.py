"""Input kinds that packages offer, from card to table."""

import re
from pathlib import Path

import cv2
import pytest
from support.cases import says

from merbench.checks import findings

GUIDE = Path(__file__).parents[2] / "docs" / "adding-an-input.md"


@pytest.mark.slow
def test_the_input_of_the_guide_is_drawn_checked_and_run(done, offer, tmp_path):
    guide = GUIDE.read_text(encoding="utf-8")
    (card,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    kind, method = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    show, check, run = (line.partition("#")[0].split()[1:] for line in commands.splitlines())
    targets = {"inputs": "edges = MODULE.edges:KIND", "methods": "edge-svm = MODULE.edge_svm.method:EdgeSvm"}
    points = "\n".join(f"[merbench.{group}]\n{target}" for group, target in targets.items())
    folder = {"edge_svm/__init__.py": "", "edge_svm/method.py": method, "edge_svm/card.yaml": card}
    offer(points, {"edges.py": kind} | folder)
    done(*show)
    sheet = cv2.imread(str(tmp_path / "synthetic-small.png"))
    assert sheet.std() > 10
    says(done(*check), "passed")
    assert "edge-svm seed 0: 12/12 folds" in done(*run)
    assert [found for found in findings("edge-svm") if found.result == "failed"] == []
    assert "edges: edges(28)" in done("methods", "edge-svm")
    assert "edges" in done("doctor")
    assert "prepared edges(28, faces=" in done("data", "list")
