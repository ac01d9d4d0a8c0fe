"""What each page says: a function a template, which returns the names that the template uses."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from merbench.analysis.audit import Audit, selection_rows
from merbench.analysis.curves import point_of
from merbench.analysis.power import DIFFERENCES
from merbench.analysis.rows import Row
from merbench.analysis.selection_rules import LAST, RULES
from merbench.contracts.protocols import ProtocolSpec
from merbench.contracts.yamlfiles import settings_text
from merbench.report.numbers import NONE, interval_text, number, signed, signed_interval
from merbench.report.views.compare import FIGURES
from merbench.report.views.rows import title_of
from merbench.scoring.intervals import Interval
from merbench.site import board as boards
from merbench.site import row_page
from merbench.site.content import SiteContent, grouped, slug
from merbench.site.pairs import matrix_cells, people

Context = dict[str, Any]
#: Groups with rows that can be compared, and what each row says of each clip.
Compared = Sequence[tuple[boards.Group, Sequence[pd.DataFrame]]]
#: Answers to published figures, those to look at first.
_ANSWERS = ("impossible", "undecided", "possible", "not checked")
#: The end of the evidence for what is possible; the page says it once.
_SAID_ONCE = " This does not confirm the figures."
#: Clips in the evidence; the page says those of most figures of a part once.
_CLIPS = re.compile(r" as one pooled confusion matrix of (\d+ clips \([^)]*\))")


def index(content: SiteContent) -> Context:
    """List the boards."""
    found = []
    for name in content.boards():
        rows = [row for row in content.rows_of(name) if not row.sanity and point_of(row) is None]
        spec = content.protocols.get(name)
        best = next((row for row in rows if row.ranked), None)
        found.append({
            "name": name, "title": spec.title if spec else name, "summary": _line(spec.summary) if spec else "",
            "rows": len(rows), "ranked": sum(row.ranked for row in rows),
            "published": len({(each["method"], each["source"]) for each in content.published.get(name, [])}),
            "best": best.label if best else "", "slug": slug(best) if best else "",
            "uf1": number(best.scores["full"].uf1) if best else NONE,
            "ends": interval_text(best.scores["full"].uf1_interval) if best else "",
        })  # fmt: skip
    return {"boards": found, "synthetic": any(row.runs[0].file.synthetic for row in content.rows)}


def board(content: SiteContent, name: str, groups: Sequence[boards.Group], tests: Context) -> Context:
    """Show a board."""
    spec = content.protocols.get(name)
    return {
        "name": name, "spec": spec, "groups": groups, "published": boards.published(content, name),
        "tests": tests,
        "warnings": spec.warnings if spec else [], "about": [note for note in content.notes if name in note],
    }  # fmt: skip


def pairs(content: SiteContent, name: str, compared: Compared, tests: Context) -> Context:
    """Show the paired tests of a board's rows, the clips of each subject, and the clips that all rows get wrong."""
    spec = content.protocols.get(name)
    found = [
        {"title": group.title, "anchor": group.anchor, "tests": tests.get(group.anchor),
         "people": people(group, answers),
         "matrix": matrix_cells(group.standing) if group.standing and group.standing.p is not None else None}
        for group, answers in compared
    ]  # fmt: skip
    return {"name": name, "title": spec.title if spec else name, "groups": found}


def row(content: SiteContent, name: str, group: boards.Group, line: Mapping[str, Any]) -> Context:
    """Show a row of a board."""
    found: Row = line["row"]
    file = found.runs[0].file
    classification = file.task == "classification" and bool(found.scores)
    known = content.methods.get(file.method)
    audit = row_page.audit_of(content, found)
    return {
        "name": name, "line": line, "title": title_of([found]), "identity": row_page.identity(found),
        "cost": row_page.cost_lines(content, found), "paper": known.paper if known else None,
        "standing": row_page.standing_of(group, found) if classification else None,
        "tables": row_page.row_tables(found) if classification else [],
        "anchor": group.anchor, "hard": row_page.hard_clips(group, found),
        "pairs": boards.pairs_name(name, group) if found in group.compared else "",
        "command": content.command(found), "latex": row_page.latex_line(found) if classification else "",
        "course": row_page.course(audit) if audit else None, "rules": _lifts(audit) if audit else [],
        "committed": found.runs[0].origin == "leaderboard",
    }  # fmt: skip


def protocols(content: SiteContent) -> Context:
    """List the protocols."""
    return {"protocols": [_protocol_facts(content, spec) for spec in content.protocols.values()]}


def _protocol_facts(content: SiteContent, spec: ProtocolSpec) -> Context:
    power = content.power.get(spec.name)
    expected = spec.expected
    return {
        "name": spec.name, "title": spec.title, "databases": [rule.title for rule in spec.datasets.values()],
        "outputs": len(spec.outputs), "task": spec.task, "rule": spec.folds.rule,
        "clips": expected.clips if expected and expected.clips else None,
        "subjects": expected.subjects if expected and expected.subjects else None,
        "rows": sum(not row.sanity and point_of(row) is None for row in content.rows_of(spec.name)),
        "published": len(content.published.get(spec.name, [])),
        "smallest": number(power["smallest"], 2) if power else NONE,
    }  # fmt: skip


def protocol(content: SiteContent, spec: ProtocolSpec) -> Context:
    """Show a protocol."""
    floors = [
        {"label": each.label, "slug": slug(each), "data": each.runs[0].file.data,
         **{name: number(getattr(each.scores["full"], name)) for name in ("uf1", "uar", "acc")}}
        for each in content.rows_of(spec.name)
        if content.family(each) in ("floor", "sanity") and "full" in each.scores
    ]  # fmt: skip
    power = content.power.get(spec.name)
    found = []
    if power:
        shown = zip(DIFFERENCES, power["found"], strict=True)
        found = [(number(each, 2), boards.share(share)) for each, share in shown if each and share is not None]
    rule = spec.folds.model_dump(exclude={"rule"})
    return {
        "spec": spec, "facts": _protocol_facts(content, spec), "floors": floors, "power": power, "found": found,
        "rule": ", ".join(f"{key} {_words(value)}" for key, value in rule.items()),
        "doc": _line((type(spec.folds).__doc__ or "").partition("\n")[0]), "digest": spec.spec_digest(),
        "board": spec.name in content.boards(),
    }  # fmt: skip


def methods(content: SiteContent) -> Context:
    """List the methods."""
    found = []
    for name, card in content.methods.items():
        costs = content.costs.get(name, {})
        parameters = [cost["parameters"] for cost in costs.values() if cost.get("parameters")]
        text = (
            "–".join(dict.fromkeys(grouped(each) for each in (min(parameters), max(parameters)))) if parameters else ""
        )
        kinds = ", ".join(sorted({spec.kind.replace("-", " ") for spec in card.inputs.values()}))
        found.append({
            "name": name, "title": card.title, "family": card.kind, "year": card.paper.year if card.paper else "",
            "inputs": kinds or ("by settings" if len(card.configurations) > 1 else NONE), "parameters": text,
            "most": max(parameters, default=None), "configurations": len(card.configurations),
            "rows": sum(row.runs[0].file.method == name and point_of(row) is None for row in content.rows),
        })  # fmt: skip
    order = {"net": 0, "classical": 1, "floor": 2, "sanity": 3}
    return {"methods": sorted(found, key=lambda each: (order.get(each["family"], 4), each["name"]))}


def method(content: SiteContent, name: str) -> Context:
    """Show a method."""
    card = content.methods[name]
    costs = content.costs.get(name, {})
    lines = []
    for configuration, settings in card.configurations.items():
        cost = costs.get(configuration, {})
        fold = cost.get("fold_s")
        lines.append({
            "name": configuration, "settings": settings_text(settings) or "the method's own settings",
            "parameters": grouped(cost.get("parameters")),
            "gmac": number(cost["gmac"], 3) if cost.get("gmac") else NONE,
            "fold": NONE if fold is None else f"{'' if cost.get('measured', True) else '~'}{fold:.3g} s",
            "memory": NONE if cost.get("memory_mb") is None else f"{cost['memory_mb']:.0f} MB",
        })  # fmt: skip
    ablations = {
        group: [(each, settings_text(changes)) for each, changes in rows.items()]
        for group, rows in card.ablations.items()
    }
    rows = [
        {"label": each.label, "slug": slug(each), "protocol": each.runs[0].file.protocol,
         "data": each.runs[0].file.data, "ranked": each.ranked,
         "uf1": number(each.scores["full"].uf1) if "full" in each.scores else NONE,
         "ends": interval_text(each.scores["full"].uf1_interval) if "full" in each.scores else ""}
        for each in content.rows if each.runs[0].file.method == name and point_of(each) is None
    ]  # fmt: skip
    points = [each.runs[0].file.protocol for each in content.rows
              if each.runs[0].file.method == name and point_of(each) is not None]  # fmt: skip
    inputs = {key: str(spec) for key, spec in card.inputs.items()}
    said = [*card.facts("remark"), *card.facts("not_ranked")]
    disclosed = card.disclosures(transductive=True)
    return {"card": card, "family": card.kind, "lines": lines, "ablations": ablations, "rows": rows, "inputs": inputs,
            "curves": {each: points.count(each) for each in dict.fromkeys(points)},
            "said": said, "disclosed": disclosed}  # fmt: skip


def audit(content: SiteContent) -> Context:
    """Show the lift of every selection rule, by method."""
    found = [
        {"label": each.row.label, "slug": slug(each.row), "title": title_of([each.row]), "epochs": each.epochs,
         "seeds": len(each.kept.seeds), "rules": _lifts(each), "course": row_page.course(each)}
        for each in content.audits
    ]  # fmt: skip
    return {"audits": found}


def _lifts(audit: Audit) -> list[Context]:
    """Return each rule of an audit with its figure and its lift over the last epoch, on all clips."""
    titles = {rule.name: rule.title for rule in RULES}
    lines = []
    for each in selection_rows(audit.kept).to_dict("records"):
        line = {"title": titles[each["selection"]], "oracle": each["oracle"], "seeds": each["seeds"]}
        for name in FIGURES:
            low, high = each[f"{name}_lift_low"], each[f"{name}_lift_high"]
            plain = each["selection"] == LAST
            line |= {name: number(each[name]), f"{name}_lift": NONE if plain else signed(each[f"{name}_lift"]),
                     f"{name}_ends": "" if plain else signed_interval(Interval(low, high)),
                     f"{name}_clear": not plain and bool(low > 0 or high < 0)}  # fmt: skip
        lines.append(line)
    return lines


def claims(content: SiteContent) -> Context:
    """Count the answers by protocol, and show the figures that are not possible, or not decided."""
    counts = []
    for name, figures in content.published.items():
        words = [_word(each) for each in figures]
        counts.append({"name": name, "figures": len(words), **{word: words.count(word) for word in _ANSWERS}})
    open_ones = [each for each in _claims(content, content.published) if each["word"] in _ANSWERS[:2]]
    return {"counts": counts, "claims": open_ones, "words": _ANSWERS,
            "all": {word: sum(each[word] for each in counts) for word in _ANSWERS}}  # fmt: skip


def protocol_claims(content: SiteContent, name: str) -> Context:
    """Show every published figure of a protocol with the answer of ``check-claim``."""
    claims = _claims(content, [name])
    clips: dict[str, Counter[str]] = {}
    for each in claims:
        clips.setdefault(each["part"], Counter()).update(_CLIPS.findall(each["evidence"]))
    same = {part: found.most_common(1)[0][0] for part, found in clips.items() if found}
    for each in claims:
        if _CLIPS.findall(each["evidence"]) == [same.get(each["part"])]:
            each["evidence"] = _CLIPS.sub("", each["evidence"])
    return {"name": name, "claims": claims, "clips": same}


def _claims(content: SiteContent, names: Iterable[str]) -> list[Context]:
    return [
        {
            "protocol": name, "method": each["method"], "year": each["year"] or "", "kind": each["kind"],
            "part": content.protocols[name].parts.get(each["part"], each["part"]) if name in content.protocols
            else each["part"],
            **{figure: each[f"{figure}_printed"] or NONE for figure in ("uf1", "uar", "acc")},
            "word": _word(each), "verdict": each["verdict"], "evidence": str(each["evidence"]).replace(_SAID_ONCE, ""),
        }
        for name in names for each in content.published[name]
    ]  # fmt: skip


def _word(figure: Mapping[str, Any]) -> str:
    return next((word for word in _ANSWERS if str(figure["verdict"]).startswith(word)), _ANSWERS[-1])


def _line(text: str) -> str:
    return " ".join(text.split())


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
