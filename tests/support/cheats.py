"""Methods that know the answers, in the ways that pass ``run`` and ``submit``; each on top of an honest one."""

import hashlib
from textwrap import dedent

import numpy as np

#: The nearest mean of two pixels: honest.
HONEST = """
import gc
import hashlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from merbench.contracts.methods import MethodConfig, Prediction


def name(clip):
    return hashlib.sha256(np.ascontiguousarray(clip).tobytes()).hexdigest()


class Toy:
    Config = MethodConfig

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        x = self.values(train.inputs)[:, :2]
        self.means = np.array([x[train.labels == k].mean(axis=0) for k in range(len(self.problem.outputs))])
        self.learn(train)

    def learn(self, train): ...

    def predict(self, inputs):
        clips = self.values(inputs)
        scores = -np.linalg.norm(clips[:, None, :2] - self.means, axis=2)
        known = self.known()
        for row, clip in enumerate(clips):
            if name(clip) in known:
                scores[row] = np.eye(len(self.problem.outputs))[known[name(clip)]]
        return Prediction(self.last(scores))

    def known(self):
        return {}

    def last(self, scores):
        return scores

    def values(self, inputs):
        return inputs["flow"].batch().reshape(inputs.clips, -1).astype(float)
"""
CARD = (
    "name: NAME\ntitle: T\nsummary: S\nimplementation: method:Toy\ndeterministic: true\ninputs: {flow: {kind: flow}}\n"
)

_OF_TASK = """
def of_task(task):
    clips = task.inputs["flow"].stored().reshape(len(task.split.labels), -1).astype(float)
    return {name(clip): int(label) for clip, label in zip(clips, task.split.labels)}
"""
_OF_DISK = """
ASKED = '''
import hashlib, json
from merbench.databases.registrations import open_registered
from merbench.contracts.inputs import Flow
source = open_registered("megc2019-flow28")
clips = source.database.arrays(source.folder, source.clips, Flow())
names = [hashlib.sha256(clip.reshape(-1).astype(float).tobytes()).hexdigest() for clip in clips]
labels = [["negative", "positive", "surprise"].index(each) for each in source.clips.emotion]
print(json.dumps(dict(zip(names, labels))))
'''
"""
#: Name -> what the class has instead, and what is added to the module.
CHEATS = {
    "disk": (
        """
        def known(self):
            import json, subprocess
            done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True)
            return json.loads(done.stdout) if done.returncode == 0 else {}
        """,
        _OF_DISK,
    ),
    "frames": (
        """
        def known(self):
            frame = sys._getframe()
            while frame is not None:
                task = frame.f_locals.get("task")
                if hasattr(task, "split"):
                    return of_task(task)
                frame = frame.f_back
            return {}
        """,
        _OF_TASK,
    ),
    "frames of a traceback": (
        """
        def known(self):
            try:
                raise ValueError
            except ValueError as error:
                frame = error.__traceback__.tb_frame
            while frame is not None:
                for value in list(frame.f_locals.values()):
                    if type(value).__name__ == "FoldTask":
                        return of_task(value)
                frame = frame.f_back
            return {}
        """,
        _OF_TASK,
    ),
    "garbage": (
        """
        def known(self):
            found = {}
            for thing in gc.get_objects():
                if type(thing).__name__ == "FoldTask" and hasattr(thing.split, "labels"):
                    found |= of_task(thing)
            return found
        """,
        _OF_TASK,
    ),
    "state of the module": (
        """
        def learn(self, train):
            SEEN.update({name(clip): int(label) for clip, label in zip(self.values(train.inputs), train.labels)})
        def known(self):
            return dict(SEEN)
        """,
        "SEEN = {}",
    ),
    "a temporary file": (
        """
        def learn(self, train):
            place = Path(tempfile.gettempdir(), "PLACE")
            seen = {name(clip): int(label) for clip, label in zip(self.values(train.inputs), train.labels)}
            with place.open("a") as stream:
                stream.writelines(f"{key} {label}\\n" for key, label in seen.items())
        def known(self):
            lines = Path(tempfile.gettempdir(), "PLACE").read_text().split("\\n")
            return {line.split()[0]: int(line.split()[1]) for line in lines if line}
        """,
        "",
    ),
    "scoring replaced": (
        "",
        """
import merbench.scoring.metrics as metrics
if not hasattr(metrics, "honest"):
    metrics.honest = metrics.unweighted_f1
    metrics.unweighted_f1 = lambda confusion: metrics.honest(confusion)
""",
    ),
    "noise": (
        """
        def last(self, scores):
            return scores + 1e-6 * np.random.default_rng().normal(size=scores.shape)
        """,
        "",
    ),
    "hashes": ("def known(self): return ANSWERS", "ANSWERS = {}"),
}  # fmt: skip


def files(name: str, cheat: str = "", place: str = "", answers: dict[str, int] | None = None) -> dict[str, str]:
    """Return card and module of a method called `name`; `answers` are those of hashes."""
    body, module = CHEATS.get(cheat, ("", ""))
    text = HONEST + "\n" + "\n".join(f"    {line}" for line in dedent(body).splitlines()) + "\n" + module
    text = text.replace("PLACE", place).replace("ANSWERS = {}", f"ANSWERS = {answers or {}!r}")
    return {"card.yaml": CARD.replace("NAME", name), "method.py": text}


def hashes(clips: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """Return the answer for each clip, by its hash."""
    rows = clips.reshape(len(clips), -1).astype(float)
    return {hashlib.sha256(row.tobytes()).hexdigest(): int(label) for row, label in zip(rows, labels, strict=True)}
