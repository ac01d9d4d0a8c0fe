"""Limits of the synthetic databases: ceilings from their table, the score of a baseline, probes, leaks, cost.

Run: uv run python benchmarks/synthetic_ceilings.py [--long]

Without --long one draw of the data and a fast TV-L1 are used (some three minutes on two cores); with it five draws,
OpenCV's default TV-L1 and both tables. A difference in UF1 below .07 on one draw is not significant.
"""

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.prepare.faces.find import FaceAlignment, find_face
from merbench.prepare.kinds import flow, flow_field
from merbench.scoring.metrics import confusion_matrix
from merbench.synthetic import table
from merbench.synthetic.clips import Clip, Film, draw_course, draw_subject, plan
from merbench.synthetic.motion import CUES, SPREAD, Course, amplitude, balanced, flickering
from merbench.synthetic.settings import SyntheticSettings

STRENGTHS = (0.0, 0.5, 1.0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    long = parser.parse_args().long
    seeds = range(5 if long else 2)
    cv2.setNumThreads(1)
    ceilings()
    static_separability(seeds)
    cost()
    probes(seeds)
    svm(range(5 if long else 1), ("default", "ambiguous") if long else ("default",), fast=not long)


# --- ceilings of the table ------------------------------------------------------------------------------------------


def ceilings() -> None:
    """Print the best scores: for the table itself, and over eight draws with and without the cue."""
    print("Ceilings: the likeliest class given the table, the database and the true action units")
    for name in table.MIXED:
        best = table.ceiling(name)
        print(f"  {name:<10} expected: UF1 {best['uf1']:.3f}  UAR {best['uar']:.3f}  accuracy {best['acc']:.3f}")
    print("  ... and the true time course (mean lateness of rise and decay, lag, flicker); 8 draws, mean (sd)")
    print(f"  {'table':<10}{'strength':>9}{'ambiguous clips':>17}{'UF1 all':>16}{'UF1 ambiguous':>16}")
    for name, strength in itertools.product(table.MIXED, STRENGTHS):
        found = np.array(
            [_best(SyntheticSettings(size="full", table=name, strength=strength, seed=seed)) for seed in range(8)]
        )
        share, everywhere, there = (f"{m:.3f} ({s:.3f})" for m, s in zip(found.mean(0), found.std(0), strict=True))
        print(f"  {name:<10}{strength:>9}{share:>17}{everywhere:>16}{there:>16}")


def _best(settings: SyntheticSettings) -> tuple[float, float, float]:
    clips = plan(settings)
    chosen = [max(table.CLASSES, key=lambda label, clip=clip: _log_posterior(settings, clip, label)) for clip in clips]
    unclear = np.array(_ambiguous(clips))
    return float(unclear.mean()), _uf1(clips, chosen), _uf1(clips, chosen, unclear)


def _log_posterior(settings: SyntheticSettings, clip: Clip, label: str) -> float:
    priors = table.class_given_sets(settings.table, clip.dataset)[:, table.SETS.index(clip.au_set)]
    prior = math.log(max(priors[table.CLASSES.index(label)], 1e-300))
    return prior + log_likelihood(draw_course(settings, clip), label, settings.strength, clip.rising)


def log_likelihood(course: Course, label: str, strength: float, rising: float) -> float:
    """Return the log density of a course's four summaries, given the class, up to a constant."""
    cue, half = CUES[label], abs(course.rise[0] - course.rise[1]) / 2
    lateness = strength * cue.lateness
    decay = (balanced(lateness + half, rising) + balanced(lateness - half, rising)) / 2
    lag = strength * cue.lag
    return (
        _log_normal(sum(course.rise) / 2 - lateness)
        + _log_normal(sum(course.decay) / 2 - decay)
        + np.logaddexp(_log_normal(2 * half - lag), _log_normal(2 * half + lag))
        + _log_normal(math.log(abs(course.flicker)) - math.log(1 + strength * cue.flicker))
    )


def _log_normal(value: float) -> float:
    return -0.5 * (value / SPREAD) ** 2


def _ambiguous(clips: list[Clip]) -> list[bool]:
    return table.ambiguous((clip.dataset, clip.au_set, clip.label) for clip in clips)


def _uf1(clips: list[Clip], predicted: list[str], which: np.ndarray | None = None) -> float:
    chosen = range(len(clips)) if which is None else np.flatnonzero(which)
    confusion = confusion_matrix([clips[i].label for i in chosen], [predicted[i] for i in chosen], table.CLASSES)
    return table.scores(confusion)["uf1"]


# --- information in single frames, or in frames without their order ------------------------------------


def static_separability(seeds: range) -> None:
    """Print d' between the two classes that a statistic separates most, from the true courses."""
    print("\nSeparability d' of the true movement (peak 1), mean over draws; sampling alone gives .1 to .3")
    found: dict[str, dict[float, list[float]]] = {}
    for strength, seed in itertools.product(STRENGTHS, seeds):
        settings = SyntheticSettings(size="full", strength=strength, seed=seed)
        clips = plan(settings)
        rows = [dict(_statistics(clip, draw_course(settings, clip))) for clip in clips]
        labels = np.array([clip.label for clip in clips])
        for name in rows[0]:
            values = np.array([row[name] for row in rows])
            found.setdefault(name, {}).setdefault(strength, []).append(_d_prime(values, labels))
    print(f"  {'statistic':<46}" + "".join(f"s = {strength:<6}" for strength in STRENGTHS))
    for name, by_strength in found.items():
        print(f"  {name:<46}" + "".join(f"{np.mean(values):<10.2f}" for values in by_strength.values()))


def _statistics(clip: Clip, course: Course) -> Iterator[tuple[str, float]]:
    times = clip.times()
    sides = np.stack([amplitude(times, r, d) for r, d in zip(course.rise, course.decay, strict=True)], axis=1)
    eyes = np.abs(course.flicker * flickering(times))
    onset, apex, offset = (number - clip.first for number in (clip.onset, clip.apex, clip.offset))
    middle = (clip.onset + clip.offset) // 2 - clip.first
    single = {"middle frame for the apex": middle, "apex one frame early": apex - 1, "apex one frame late": apex + 1}
    for name, frame in {**single, "apex three frames early": apex - 3, "onset two frames late": onset + 2}.items():
        yield f"{name}: movement", sides[frame].mean()
        yield f"{name}: left against right", abs(sides[frame, 0] - sides[frame, 1])
        yield f"{name}: eyes", eyes[frame]
    whole = sides[onset : offset + 1]
    yield "mean frame: movement", whole.mean()
    yield "mean frame: left against right", abs(whole[:, 0].mean() - whole[:, 1].mean())
    yield "mean of squared movement", (whole**2).mean()
    yield "summed |differences|", float(np.abs(np.diff(whole, axis=0)).sum())
    yield "(order) summed squared differences", (np.diff(whole, axis=0) ** 2).sum() * len(whole)
    yield "(order) movement halfway to the apex", sides[(onset + apex) // 2].mean()


def _d_prime(values: np.ndarray, labels: np.ndarray) -> float:
    groups = [values[labels == name] for name in table.CLASSES]
    return max(
        abs(a.mean() - b.mean()) / max(math.sqrt((a.var() + b.var()) / 2), 1e-9)
        for a, b in itertools.combinations(groups, 2)
    )


# --- cost -----------------------------------------------------------------------------------------------------------


def cost() -> None:
    """Print the time of drawing on one thread, without encoding and writing."""
    print("\nCost on one thread, ms: a subject (once), 11 frames of a clip with its set-up, an additional frame")
    for pixels, colour in ((128, "grey"), (160, "grey"), (160, "rgb"), (256, "rgb")):
        settings = SyntheticSettings(size="full", pixels=pixels, colour=colour)
        clips = [clip for clip in plan(settings) if clip.subject == "sub01"][:5]
        person = draw_subject(settings, "casme2", "sub01")
        subject = _milliseconds(lambda settings=settings: draw_subject(settings, "casme2", "sub01"))
        sets = [_milliseconds(lambda clip=clip: _film_of_11(settings, clip, person)) for clip in clips]  # noqa: B023
        film = Film(settings, clips[0], person)
        frame = _milliseconds(lambda film=film: [film.frame(film.clip.apex) for _ in range(20)]) / 20
        print(f"  {pixels} px {colour:<5} {subject:>8.0f} {np.median(sets):>8.1f} {frame:>8.2f}")


def _film_of_11(settings: SyntheticSettings, clip: Clip, person: object) -> None:
    film = Film(settings, clip, person)
    for number in np.linspace(clip.onset, clip.offset, 11).astype(int):
        film.frame(int(number))


def _milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begin)


# --- probes ---------------------------------------------------------------------------------------------------------

#: Positions of the hand-made time features: shares of the rise, and of the decay.
PHASES = (0.35, 0.5, 0.65, 0.8)


def probes(seeds: range) -> None:
    """Print how well simple features predict the class, at s = 0 and s = 1 of the same draw."""
    print(
        "\nProbes on the ambiguous table, UAR over subject folds, s = 0 -> s = 1 of each draw; the last is the control"
    )
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        pair = []
        for strength in (0.0, 1.0):
            settings = SyntheticSettings(size="full", table="ambiguous", strength=strength, seed=seed)
            clips = plan(settings)
            pair.append({name: _probe(clips, values) for name, values in _features(settings, clips).items()})
        for name in pair[0]:
            found.setdefault(name, []).append((pair[0][name], pair[1][name]))
    for name, pairs in found.items():
        change = [after - before for before, after in pairs]
        each = "  ".join(f"{before:.3f} -> {after:.3f}" for before, after in pairs)
        print(f"  {name:<42}{each}   mean change {np.mean(change):+.3f}")


def _probe(clips: list[Clip], values: np.ndarray) -> float:
    labels = np.array([clip.label for clip in clips])
    groups = [f"{clip.dataset}/{clip.subject}" for clip in clips]
    steps = [StandardScaler()] + ([PCA(40, random_state=0)] if values.shape[1] > 60 else [])
    model = make_pipeline(*steps, LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    predicted = cross_val_predict(model, values, labels, groups=groups, cv=GroupKFold(5))
    return table.scores(confusion_matrix(labels, predicted, table.CLASSES))["uar"]


def _features(settings: SyntheticSettings, clips: list[Clip]) -> dict[str, np.ndarray]:
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(lambda own: [_clip_features(*each) for each in _films(settings, own)], _by_subject(clips)))
    each = [row for own in rows for row in own]
    return {name: np.array([row[name] for row in each], dtype=float) for name in each[0]}


def _by_subject(clips: list[Clip]) -> list[list[Clip]]:
    return [list(own) for _, own in itertools.groupby(clips, key=lambda clip: (clip.dataset, clip.subject))]


def _films(settings: SyntheticSettings, clips: list[Clip]) -> Iterator[tuple[Film, FaceAlignment]]:
    """Yield the clips of one subject, each with the position of the face in its onset frame."""
    person = draw_subject(settings, clips[0].dataset, clips[0].subject)
    for clip in clips:
        film = Film(settings, clip, person)
        yield film, find_face(_bgr(film.frame(clip.onset)), "haar", f"{clip.dataset}/{clip.subject}/{clip.clip}")


def _bgr(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., ::-1].copy()


def _face(film: Film, alignment: FaceAlignment, number: int, size: int) -> np.ndarray:
    face = alignment.apply(_bgr(film.frame(number)), 2 * size)[..., 0]
    return cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


def _clip_features(film: Film, alignment: FaceAlignment) -> dict[str, np.ndarray | list[float]]:
    clip, size = film.clip, 48
    onset, apex = (_face(film, alignment, number, size) for number in (clip.onset, clip.apex))
    middle = _face(film, alignment, (clip.onset + clip.offset) // 2, size)
    early = _face(film, alignment, clip.apex - 3, size)
    every = [_face(film, alignment, int(n), size) for n in np.linspace(clip.onset, clip.offset, 14)]
    rise = [clip.onset + share * (clip.apex - clip.onset) for share in PHASES]
    decay = [clip.apex + (1 - share) * (clip.offset - clip.apex) for share in PHASES]
    between = [_face(film, alignment, round(number), size) for number in (*rise, *decay)]
    return {
        "duration": [clip.offset - clip.onset],
        "onset frame": onset[::2, ::2].ravel(),
        "apex minus onset": (apex - onset)[::2, ::2].ravel(),
        "middle frame minus onset": (middle - onset)[::2, ::2].ravel(),
        "frame three before the apex, minus onset": (early - onset)[::2, ::2].ravel(),
        "mean frame minus onset": (np.mean(every, axis=0) - onset)[::2, ::2].ravel(),
        "hand-made time features": _time_features(onset, apex, between),
    }


def _time_features(onset: np.ndarray, apex: np.ndarray, between: list[np.ndarray]) -> list[float]:
    """Return the progress of each frame from onset to apex: face, its halves, and the other change at the eyes."""
    slopes = [np.ones_like(onset), onset, *np.gradient(onset)]  # the effects of light and head movement
    basis = np.linalg.qr(np.stack([slope.ravel() for slope in slopes], axis=1))[0]

    def change(face: np.ndarray) -> np.ndarray:
        raw = (face - onset).ravel()
        return (raw - basis @ (basis.T @ raw)).reshape(onset.shape)

    goal, half, eyes = change(apex), onset.shape[1] // 2, slice(onset.shape[0] // 4, onset.shape[0] // 2)
    values = []
    for frame in map(change, between):
        parts = [slice(None), slice(half), slice(half, None)]
        shares = [float((frame[:, part] * goal[:, part]).sum() / (goal[:, part] ** 2).sum()) for part in parts]
        rest = frame - shares[0] * goal
        left, right = rest[eyes, :half].mean(), rest[eyes, half:].mean()
        values += [*np.clip(shares, -1, 2), abs(np.clip(shares[1] - shares[2], -2, 2)), abs(left - right)]
    return values


# --- a baseline -----------------------------------------------------------------------------------------------------


def svm(seeds: range, tables: tuple[str, ...], fast: bool) -> None:
    """Print the score of the support vector machine of ``svm-flow`` on apex flow, leave-one-subject-out."""
    print(f"\nSVM on apex flow (28 x 28, u, v, strain, {'fast' if fast else 'default'} TV-L1), leave-one-subject-out")
    for name, seed in itertools.product(tables, seeds):
        settings = SyntheticSettings(size="full", table=name, seed=seed)
        clips = plan(settings)
        begin = time.perf_counter()
        with ThreadPoolExecutor() as pool:
            flows = pool.map(lambda own: [_flow(*each, fast) for each in _films(settings, own)], _by_subject(clips))  # noqa: B023
        values = np.array([image for own in flows for image in own]).reshape(len(clips), -1) / 255.0
        model = make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
        groups = [f"{clip.dataset}/{clip.subject}" for clip in clips]
        labels = [clip.label for clip in clips]
        predicted = cross_val_predict(model, values, labels, groups=groups, cv=LeaveOneGroupOut())
        unclear = np.array(_ambiguous(clips))
        print(
            f"  {name:<10} seed {seed}: UF1 {_uf1(clips, list(predicted)):.3f}, on ambiguous clips "
            f"{_uf1(clips, list(predicted), unclear):.3f}   ({time.perf_counter() - begin:.0f} s)"
        )


def _flow(film: Film, alignment: FaceAlignment, fast: bool) -> np.ndarray:
    faces = [alignment.apply(_bgr(film.frame(n)), 128)[..., 0] for n in (film.clip.onset, film.clip.apex)]
    if fast:
        method = cv2.optflow.DualTVL1OpticalFlow_create(
            epsilon=0.03, warps=2, nscales=3, scaleStep=0.5, medianFiltering=3
        )
        field = method.calc(*faces, None)
    else:
        field = flow_field.flow(*faces)
    return flow.to_bytes(flow.resize(flow.channels(field, ("u", "v", "strain")), 28))


if __name__ == "__main__":
    main()
