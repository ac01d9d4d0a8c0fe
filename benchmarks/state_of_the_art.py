"""The figures of docs/state-of-the-art.md, the audits of docs/reading-a-result.md and the table of README.md.

Nothing is trained: committed rows, published figures and audits are read.

Run: uv run python benchmarks/state_of_the_art.py      # writes the pages anew between their marks
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _committed_rows import (
    FIRST,
    FLOOR,
    PROTOCOL,
    SECOND,
    WAITING,
    competes,
    difference_cells,
    label,
    minus,
    named,
    p_of,
    rows,
    tables_of,
    uf1,
    written,
)  # fmt: skip
from _pages import between_marks
from scipy.stats import spearmanr

from merbench.analysis.claims.published import published_rows
from merbench.analysis.curves import points_by_curve
from merbench.analysis.rows import Row
from merbench.contracts.clips import IDENTITY
from merbench.engine.plan.declared import declared
from merbench.report.numbers import excludes_zero, interval_text, number, p_text, signed, signed_interval
from merbench.report.table import Cell, text_cells
from merbench.report.views.compare import comparison
from merbench.report.write import write
from merbench.scoring.intervals import Interval
from merbench.scoring.metrics import unweighted_f1
from merbench.scoring.paired import Difference, paired_difference
from merbench.scoring.permutation import SIGNIFICANT, holm, permutation_tests
from merbench.scoring.table import part_scores

ROOT = Path(__file__).resolve().parents[1]
AUDITS = ROOT / "results/audits"
#: Part of MEGC 2019 -> the protocol that trains and tests on it alone.
ALONE = {"casme2": "casme2-3", "samm": "samm-3", "smic-hs": "smic-hs-3"}
HELD_OUT = "lodo-casme2.samm.smic-hs"
#: A row and the same with classes that are not weighted.
BALANCED = {
    "svm-flow": "flow-classifier:svm-rbf-unbalanced",
    "ststnet-balanced": "ststnet",
    **{f"flow-classifier:{name}": f"flow-classifier:{name}-unbalanced"
       for name in ("svm-linear", "logistic", "ridge", "random-forest", "logistic-blocks", "lda-blocks")},
}  # fmt: skip
#: Plain linear models, those with weighted classes first.
LINEAR = tuple(
    f"flow-classifier:{name}{ending}" for ending in ("", "-unbalanced") for name in ("svm-linear", "logistic", "ridge")
)
NETS = (
    *("ststnet", "ststnet-balanced", "sssnet:full", "off-apexnet", "bdcnn:block-40", "msct-net", "dual-inception"),
    *("htnet:width-64", "timm-flow:resnet18"),
    *(f"rcn:{variant}-28px-32" for variant in "aswpcf"),
)
#: Rules that pick the epoch, and their columns; all but the first look at test labels.
PICKS = {
    "inner": "Inner subjects",
    "oracle-one-epoch": "One epoch for all folds",
    "oracle-f1-first": "Best F1 of each test fold",
    "oracle-acc-first": "Best accuracy of each test fold",
    "oracle-acc-last": "The same, last of ties",
}
#: Row -> its name in published tables, and what differs from the publication, as far as known.
PUBLISHED = {
    "ststnet": ("STSTNet", "trained as in the authors' PyTorch code, whose log has .7209; published is the MATLAB one"),
    "rcn:a-28px-32": ("RCN-A", "28 px and 32 maps in place of 60 px and 64: not attributed"),
    "off-apexnet": ("OFF-ApexNet", "its schedule is not stated: not attributed"),
    "dual-inception": ("Dual-Inception", "flow to the apex in place of the middle frame: not attributed"),
    "flow-classifier:biwoof-svm": ("Bi-WOOF", "on flow that is scaled clip by clip: not attributed"),
    "htnet:width-64": ("HTNet", "a quarter of the width: not attributed"),
}


def ranking() -> str:
    """Return the ranked rows of the first release, and how many pairs differ."""
    ranked = [row for row in rows() if row.ranked]
    p = permutation_tests(np.stack([row.by_subject for row in ranked if row.by_subject is not None]), unweighted_f1)
    pairs = list(combinations(range(len(ranked)), 2))
    adjusted = dict(zip(pairs, holm([p[pair] for pair in pairs]), strict=True))
    apart = {pair for pair, value in adjusted.items() if value < SIGNIFICANT}
    lines = []
    for index, row in enumerate(ranked):
        score = row.scores["full"]
        others = sum(index in pair for pair in apart)
        spread = f"{len(row.runs)}" if np.isnan(score.seed_sd) else f"{len(row.runs)} ±{number(score.seed_sd, 3)}"
        lines.append([
            *text_cells(row.label), Cell(number(score.uf1), interval_text(score.uf1_interval)),
            *text_cells(number(score.uar), "yes" if row.balanced else "no", spread, others),
        ])  # fmt: skip
    inner = [pair for pair in pairs if FLOOR not in {ranked[i].runs[0].file.method for i in pair}]
    gaps = {pair: abs(uf1(ranked[pair[0]]) - uf1(ranked[pair[1]])) for pair in inner}
    near = [gap for pair, gap in gaps.items() if pair not in apart]
    far = [gap for pair, gap in gaps.items() if pair in apart]
    said = [
        f"Of the {len(inner)} pairs of the {len(ranked) - 1} ranked rows above the floor, {len(far)} differ "
        f"significantly (paired permutation test over subjects, Holm over all {len(pairs)} pairs, p < .05)."
    ]
    said += [f"The smallest difference in UF1 that is significant is {number(min(far), 3)}."] if far else []
    said += [f"The largest that is not is {number(max(near), 3)}."] if near else []
    table = written(("Row", "UF1", "UAR", "Balanced", "Seeds", "Rows that differ"), lines)
    return f"{table}\n\n{' '.join(said)}"


def differences(pairs: Iterable[tuple[Row, Row]], first: str, second: str) -> tuple[str, list[Difference]]:
    """Return a table of paired differences, each with its own p-value, and the differences."""
    lines, found = [], []
    for row, other in pairs:
        found.append(minus(row, other))
        lines.append([
            *text_cells(label(row), label(other)), *difference_cells(found[-1]), *difference_cells(found[-1], "uar"),
            *text_cells(p_text(p_of(row, other))),
        ])  # fmt: skip
    return written((first, second, "UF1", "UAR", "p"), lines), found


def linear() -> str:
    """Return linear models against nets within like balancing."""
    known = named()
    nets = [known[name] for name in NETS if name in known]
    pairs = [
        (known[name], net)
        for net in nets for name in LINEAR
        if name in known and known[name].balanced == net.balanced
    ]  # fmt: skip
    table, found = differences(pairs, "Linear row", "Net")
    ahead = sum(each.uf1 > 0 for each in found)
    clear = sum(excludes_zero(each.uf1_interval) for each in found)
    if not found:
        return table
    return (
        f"{table}\n\nOf {len(found)} comparisons within like balancing, the linear row is ahead in {ahead}; in {clear} "
        "the interval of the difference excludes 0."
    )


def balancing() -> str:
    """Return what weighted classes are worth, on both releases."""
    parts, said = [], []
    for data in (FIRST, SECOND):
        known = named(data)
        pairs = [(known[one], known[two]) for one, two in BALANCED.items() if {one, two} <= known.keys()]
        if not pairs:
            continue
        table, found = differences(pairs, "Balanced", "Not")
        parts.append(f"On `{data}`:\n\n{table}")
        same = sum(right(one).equals(right(two)) for one, two in pairs)
        means = [np.mean([getattr(each, name) for each in found]) for name in ("uf1", "uar")]
        said.append(
            f"On `{data}`, weighting the classes changes UF1 by {signed(means[0])} and UAR by {signed(means[1])} "
            f"in the mean of {len(pairs)} models; {same} of them predict the same with and without."
        )
    return "\n\n".join([*parts, " ".join(said)]) if parts else f"Not known yet: {WAITING}"


def preparation() -> str:
    """Return what another preparation of the same clips changes, row by row."""
    one, two = named(FIRST), named(SECOND)
    both = [name for name in one if name in two and not one[name].sanity and name != FLOOR]
    found = {name: minus(one[name], two[name]) for name in both}
    lines = [
        [*text_cells(label(one[name]), number(uf1(one[name])), number(uf1(two[name]))), *difference_cells(found[name])]
        for name in both
    ]
    table = written(("Row", FIRST, SECOND, "Difference in UF1"), lines)
    if len(both) < 3:
        return table
    order = spearmanr([uf1(one[name]) for name in both], [uf1(two[name]) for name in both]).statistic
    gaps = [abs(each.uf1) for each in found.values()]
    clear = sum(excludes_zero(each.uf1_interval) for each in found.values())
    return (
        f"{table}\n\nThe difference is {number(float(np.mean(gaps)), 3)} in the mean of {len(both)} rows, "
        f"{number(max(gaps), 3)} at most; in {clear} of them its interval excludes 0. The order of the rows on one "
        f"release has a rank correlation of {number(float(order), 2)} with that on the other. Flow, crop, alignment "
        "and scaling differ together, so none of them is singled out."
    )


def audits() -> Iterator[tuple[str, dict[str, Any], dict[str, dict[str, Any]]]]:
    """Yield each audited row, by the name under which it is declared, its audit, and its selections on all clips."""
    for path in sorted(AUDITS.glob("*/audit.json")):
        audit = json.loads(path.read_text(encoding="utf-8"))
        name = audit["method"] + (f":{audit['config']}" if audit["config"] != "default" else "")
        if (audit["protocol"], audit["data"], audit["variant"]) == (PROTOCOL, FIRST, ""):
            yield name, audit, {row["selection"]: row for row in audit["rows"] if row["part"] == "full"}


def lift_cells(row: Mapping[str, Any] | None) -> list[Cell]:
    """Return what a rule adds to UF1 of the last epoch, bold if its interval excludes 0."""
    if row is None:
        return text_cells("–")
    interval = Interval(row["uf1_lift_low"], row["uf1_lift_high"])
    return [Cell(signed(row["uf1_lift"]), signed_interval(interval), 1 if excludes_zero(interval) else 0)]


def alone() -> str:
    """Return what training on all three databases adds to training on each alone."""
    singles = {part: named(protocol=protocol) for part, protocol in ALONE.items()}
    shown = {
        name: row for name, row in named().items()
        if name != FLOOR and not row.sanity and all(name in single for single in singles.values())
    }  # fmt: skip
    titles = named()[FLOOR].runs[0].file.parts
    lines, said = [text_cells(label(row)) for row in shown.values()], []
    for part, single in singles.items():
        gains = []
        for line, (name, row) in zip(lines, shown.items(), strict=True):
            whole = [table[table.dataset == part] for table in tables_of(row)]
            gains.append(paired_difference(whole, tables_of(single[name]), row.runs[0].file.outputs))
            line += text_cells(number(uf1(single[name])), number(row.scores[part].uf1)) + difference_cells(gains[-1])
        clear = sum(excludes_zero(each.uf1_interval) for each in gains)
        mean = signed(float(np.mean([each.uf1 for each in gains])))
        said += [f"{titles[part]} {mean} (the interval excludes 0 in {clear})"]
    heads = [f"{titles[part]}{what}" for part in ALONE for what in (" alone", ", all three", ", difference")]
    table = written(("Row", *heads), lines)
    return f"{table}\n\nWhat the two other databases add to UF1, in the mean of {len(lines)} rows: {'; '.join(said)}."


def crossing() -> str:
    """Return the rows that train on other databases than they test on."""
    pairs = {f"{one} to {two}": f"cross-{one}-to-{two}" for one, two in permutations(ALONE, 2)}
    boards = {title: named(protocol=each) for title, each in {"each held out": HELD_OUT, **pairs}.items()}
    shown = {name: row for name, row in named(protocol=HELD_OUT).items() if not row.sanity}
    lines = [
        text_cells(label(row), *(number(uf1(board[name])) if name in board else "–" for board in boards.values()))
        for name, row in shown.items()
    ]
    best = [f"{title} {number(max(map(uf1, board.values())))}" for title, board in boards.items() if board]
    return f"{written(('Row', *boards), lines)}\n\nHighest UF1: {'; '.join(best)}."


def selection() -> str:
    """Return what picking the epoch is worth, rule by rule, from the audits."""
    lines, said = [], []
    for name, audit, rules in audits():
        lines += [
            [*text_cells(name, row["title"], "yes" if row["oracle"] else "no", number(row["uf1"])), *lift_cells(row)]
            for row in rules.values()
            if row["pooled"] and row["selection"] != "last" and row["uf1"] is not None
        ]
        lifts = [row["uf1_lift"] for row in rules.values() if row["oracle"] and row["pooled"] and row["uf1_lift"]]
        said.append(f"{name}, {audit['epochs']} epochs: {signed(min(lifts))} to {signed(max(lifts))}.")
    table = written(("Method", "Selection", "Looks at test labels", "UF1", "Lift"), lines)
    return f"{table}\n\nWhat rules that look at test labels add to the last epoch: {' '.join(said)}"


def picking() -> str:
    """Return what picking the epoch on the test fold adds, by method, size and epochs."""
    costs = json.loads((ROOT / "results/costs.json").read_text(encoding="utf-8"))
    lines, lifts = [], []
    for name, audit, rules in sorted(audits(), key=lambda each: -each[2]["oracle-acc-first"]["uf1_lift"]):
        parameters = costs[audit["method"]][audit["config"]]["parameters"]
        last = rules["last"]
        lines.append([
            *text_cells(name, f"{parameters:,}", audit["epochs"], last["seeds"]),
            Cell(number(last["uf1"]), interval_text(Interval(last["uf1_low"], last["uf1_high"]))),
            *(cell for rule in PICKS for cell in lift_cells(rules.get(rule))),
        ])  # fmt: skip
        lifts.append([rules[rule]["uf1_lift"] for rule in ("oracle-acc-first", "oracle-one-epoch")])
    each, one = np.array(lifts).T
    table = written(("Net", "Parameters", "Epochs", "Seeds", "UF1, last epoch", *PICKS.values()), lines)
    return (
        f"{table}\n\nOf {len(lines)} nets, picking the epoch with the best accuracy of each test fold adds "
        f"{signed(min(each))} to {signed(max(each))} of UF1, {signed(float(np.mean(each)))} in the mean; one epoch for "
        f"all folds adds {signed(min(one))} to {signed(max(one))}."
    )


def seeds() -> str:
    """Return how far rows that depend on the seed differ between seeds."""
    lines = []
    for data in (FIRST, SECOND):
        for name, row in named(data).items():
            if len(row.runs) < 2 or row.sanity:
                continue
            figures = [part_scores([table], row.runs[0].file.outputs, {"full": ""})[0].uf1 for table in tables_of(row)]
            predicted = pd.concat([table.set_index(IDENTITY).predicted for table in tables_of(row)], axis=1)
            differ = int(predicted.ne(predicted.iloc[:, 0], axis=0).any(axis=1).sum())
            interval = row.scores["full"].uf1_interval
            lines.append(text_cells(
                name, data, len(figures), number(min(figures)), number(max(figures)), f"{differ} of {len(predicted)}",
                number(interval.high - interval.low, 3),
            ))  # fmt: skip
    heads = ("Row", "Data", "Seeds", "Lowest UF1", "Highest UF1", "Clips whose class changes", "Width of the interval")
    return written(heads, lines)


def right(row: Row) -> "pd.Series[bool]":
    """Return for each clip whether more than half of a row's seeds are right."""
    marks = [table.set_index(IDENTITY).pipe(lambda each: each.truth == each.predicted) for table in tables_of(row)]
    return pd.concat(marks, axis=1).mean(axis=1) > 0.5


def hard() -> str:
    """Return the clips that no ranked row gets right, on each release, and on both."""
    names = [name for name in named(FIRST) if name in named(SECOND)]
    names = [name for name in names if all(competes(named(data)[name]) for data in (FIRST, SECOND))]
    never, lines = {}, []
    if not names:
        return f"No row is ranked on both releases yet: {WAITING}"
    for data in (FIRST, SECOND):
        marks = pd.concat([right(named(data)[name]) for name in names], axis=1)
        never[data] = marks.index[~marks.any(axis=1)]
    truth = tables_of(named(FIRST)[names[0]])[0].set_index(IDENTITY).truth
    groups = [*never.values(), never[FIRST].intersection(never[SECOND])]
    for name, clips in zip((FIRST, SECOND, "both"), groups, strict=True):
        classes = truth.loc[clips].value_counts()
        sets = pd.Series([dataset for dataset, _, _ in clips], dtype=object).value_counts()
        lines.append(text_cells(name, len(clips), *(int(classes.get(each, 0)) for each in truth.unique().tolist()),
                                *(int(sets.get(each, 0)) for each in ("smic-hs", "casme2", "samm"))))  # fmt: skip
    table = written(("Release", "Clips", *truth.unique().tolist(), "SMIC", "CASME II", "SAMM"), lines)
    expected = len(groups[0]) * len(groups[1]) / len(truth)
    return (
        f"{table}\n\nOf {len(truth)} clips, none of the {len(names)} rows that are ranked on both releases gets "
        f"{len(groups[0])} right on the first release, {len(groups[1])} on the second. {len(groups[2])} clips are "
        f"among both; {number(expected, 1)} would be if the releases had nothing in common."
    )


def beside() -> str:
    """Return published figures beside measured ones."""
    found = {(each["method"], each["part"]): each for each in published_rows(PROTOCOL)}
    lines = []
    for name, (title, why) in PUBLISHED.items():
        reported = found.get((title, "full"))
        if name not in named() or reported is None:
            continue
        row = named()[name]
        codes = ", ".join(reported["remarks"]) or "–"
        score = row.scores["full"]
        lines.append([
            *text_cells(title, row.label, number(reported["uf1"]), number(reported["uar"])),
            Cell(number(score.uf1), interval_text(score.uf1_interval)),
            *text_cells(number(score.uar), signed(score.uf1 - reported["uf1"]), codes, why),
        ])  # fmt: skip
    heads = (
        "Published as",
        "Row",
        "Published UF1",
        "UAR",
        "Measured UF1",
        "UAR",
        "Difference",
        "Remarks",
        "What differs",
    )
    return written(heads, lines)


def ensembles() -> str:
    """Return the mean of the scores of each declared family, each member's divided by their standard deviation."""
    lines = []
    for data in (FIRST, SECOND):
        for family, names in declared().families.items():
            members = [named(data)[name] for name in names if name in named(data)]
            if len(members) < len(names):
                continue
            file = members[0].runs[0].file
            columns = [f"score_{each}" for each in file.outputs]
            scaled = [table.set_index(IDENTITY)[columns] / table[columns].to_numpy().std()
                      for row in members for table in tables_of(row)]  # fmt: skip
            mean = sum(scaled) / len(scaled)
            truth = tables_of(members[0])[0].set_index(IDENTITY).truth
            joined = pd.DataFrame({"truth": truth, "predicted": mean.idxmax(axis=1).str.removeprefix("score_")})
            score, *_ = part_scores([joined.reset_index()], file.outputs, file.parts)
            best = max(members, key=uf1)
            gap = paired_difference([joined.reset_index()], tables_of(best), file.outputs)
            lines.append([
                *text_cells(family, data, len(members)), Cell(number(score.uf1), interval_text(score.uf1_interval)),
                *text_cells(number(score.uar), f"{best.label} {number(uf1(best))}"), *difference_cells(gap),
            ])  # fmt: skip
    return written(("Family", "Data", "Members", "UF1", "UAR", "Best member", "Ensemble minus it"), lines)


def curves() -> str:
    """Return UF1 against the strength of the regularisation, of linear models on both releases; 1 is the default."""
    lines = []
    for data in (FIRST, SECOND):
        for (method, config, _, _), points in points_by_curve(rows(data)).items():
            found = {value: uf1(row) for value, row in points} | {1.0: uf1(named(data)[f"{method}:{config}"])}
            along = " · ".join(f"{value:g}: {number(found[value], 3)}" for value in sorted(found))
            lines.append(text_cells(config, data, along, number(max(found.values()) - found[1.0], 3)))
    return written(("Model", "Data", "Strength (alpha, or C): UF1", "Best minus default"), lines)


def support() -> str:
    """Return the clips of each class in each part."""
    row = named()[FLOOR]
    clips, file = tables_of(row)[0], row.runs[0].file
    lines = []
    for part, title in file.parts.items():
        inside = clips if part == "full" else clips[clips.dataset == part]
        counts = inside.truth.value_counts()
        people = inside.groupby(["dataset", "subject"]).ngroups
        lines.append(text_cells(title, len(inside), people, *(int(counts.get(each, 0)) for each in file.outputs)))
    return written(("Part", "Clips", "Subjects", *file.outputs), lines)


def table() -> str:
    """Return the ranked rows as merbench compare prints them."""
    return write(comparison([row for row in rows() if row.ranked]), "md").strip()


PAGES = {
    ROOT / "README.md": (table,),
    ROOT / "docs/state-of-the-art.md": (
        *(
            ranking,
            linear,
            balancing,
            preparation,
            alone,
            crossing,
            seeds,
            selection,
            hard,
            beside,
            ensembles,
            curves,
            support,
        ),
    ),
    ROOT / "docs/reading-a-result.md": (picking,),
}


def main() -> None:
    """Write the pages."""
    for path, sections in PAGES.items():
        for section in sections:
            path.write_text(between_marks(path, section.__name__, section()), encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
