"""The site's files: the same each time, small, closed to scripts from outside, linked, and hostile names are text."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from support.refusals import refusal

from merbench.contracts.names import shown_lines
from merbench.records.read import RecordedRun
from merbench.site.board import board_groups
from merbench.site.build import LIST, POLICY, site_files, write_site
from merbench.site.content import SiteContent, safe
from merbench.site.pairs import answers_of, pairs_file

VOID = {"meta", "link", "input", "br", "path", "circle", "rect"}
#: Elements whose end tags HTML leaves out, and what ends them.
ENDED = {
    "li": {"li"}, "td": {"td", "th", "tr", "tbody"}, "th": {"td", "th", "tr", "tbody"}, "tr": {"tr", "tbody"},
    "p": {"p", "div", "dl", "h1", "h2", "h3", "ul", "ol", "table", "section", "details", "footer",
          "main", "figure", "pre"},
    "thead": {"tbody"}, "tbody": {"tbody"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"},
}  # fmt: skip
HOSTILE = [
    *(f"<script>alert({number})</script>" for number in range(8)),
    *(f'"><img src=x onerror=alert({number})>' for number in range(8)),
    *(f"'onmouseover='alert({number})" for number in range(6)),
    *(f"</th></table></main><h1 id=h{number}>" for number in range(6)),
    *(f"javascript:alert({number})" for number in range(4)),
    *(f"{{{{ {number} * 7 }}}}{{% raw %}}" for number in range(4)),
    *(f"]]><!--{number}-->&lt;&amp;" for number in range(4)),
    *(f"../../{number}/..\\x" for number in range(4)),
    "\x1b[31mred", "a\u202eb", "\x00nul", "tab\tbell\x07", "Ünicode 表情 é", "`$(rm)`; \\input{x} %",
]  # fmt: skip


class Page(HTMLParser):
    """A page: its elements with their attributes, its text, and whether every element ends."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        while self.open and tag in ENDED.get(self.open[-1], ()):
            self.open.pop()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.open[-1] in ENDED and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def ids(self):
        return {attrs["id"] for _, attrs in self.elements if "id" in attrs}


@pytest.fixture
def rows(record, answers, right, wrong):
    """Return rows of three methods, one with two seeds, one with holes."""
    for method, given, seed in (("good", right, 0), ("good", answers, 1), ("bad", wrong, 0), ("toy", answers, 0)):
        record(given, method=method, seed=seed, epochs={clip: [said[0], said[1]] for clip, said in given.items()})
    record(answers, method="holes", folds=["alpha/s1"])
    return record.rows()[0]


def content(rows, **more):
    return SiteContent(rows, {}, {}, lambda row: f"merbench run {row.runs[0].file.method}", **more)


def test_every_page_is_small_closed_to_scripts_and_linked(rows):
    files = dict(site_files(content(rows, own=True)))
    assert {"index.html", "boards/toys.html", "about.html", "assets/site.js"} <= files.keys()
    assert sum(name.startswith("rows/") for name in files) == 4
    pages = {name: Page(text) for name, text in files.items() if name.endswith(".html")}
    for name, page in pages.items():
        assert len(files[name].encode()) < 200_000, name
        (policy,) = [each["content"] for tag, each in page.elements if each.get("http-equiv")]
        assert policy == POLICY
        for tag, attrs in page.elements:
            assert not any(key.startswith("on") or key == "style" for key in attrs), (name, tag, attrs)
            assert tag != "script" or attrs["src"].startswith(("assets/", "../assets/")), (name, attrs)
            assert tag not in ("style", "iframe", "object", "img", "form", "base")
            link = attrs.get("href") or attrs.get("src")
            if link and not urlsplit(link).scheme:
                path, _, anchor = unquote(link).partition("#")
                target = name if not path else normal(PurePosixPath(name).parent / path)
                assert target in files, (name, link)
                assert not anchor or anchor in pages[target].ids, (name, link)
    assert "A board of one's own runs" in files["index.html"]
    assert "3 of 12 folds" not in files["boards/toys.html"]
    assert "not ranked: seed 0 has 1 of 3 folds" in " ".join("".join(pages[page_of(files, "holes")].texts).split())


def normal(path):
    parts = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def page_of(files, label):
    (name,) = [name for name, text in files.items() if name.startswith("rows/") and f"<h1>{label}</h1>" in text]
    return name


def test_the_board_shows_tests_ranks_and_hard_clips(rows):
    files = dict(site_files(content(rows)))
    board = " ".join("".join(Page(files["boards/toys.html"]).texts).split())
    pairs = " ".join("".join(Page(files["pairs/toys.html"]).texts).split())
    for said in ("Intervals and ranks of the 3 ranked rows", "Paired tests of every pair", "not separated"):
        assert said in board
    assert "equal" not in board + pairs
    assert "the 0 of 7 clips that every ranked row gets wrong" in board
    for said in ("UF1 of the row minus that of the column", "Clips that every ranked row gets wrong: 0 of 7"):
        assert said in pairs
    assert "Clips of each subject that each row gets right" in pairs
    row = " ".join("".join(Page(files[page_of(files, "good")]).texts).split())
    for said in ("Seed by seed", "Confusion matrix", "Recall by class and database", "merbench run good", "Figures"):
        assert said in row


def test_the_script_of_pairs_has_what_the_rows_predict_and_the_tests_find(rows):
    (group,) = board_groups(content(rows), "toys")
    assert [row.label for row in group.compared] == ["good", "toy", "bad"]
    text = pairs_file(group, answers_of(group))
    data = json.loads(text.removeprefix("window.merbenchPairs=").removesuffix(";\n"))
    assert data["ranked"] == 3
    people = [name for name, many in data["people"] for _ in range(many)]
    for place, row in enumerate(group.compared):
        right, seeds = Counter(), len(row.runs)
        for run in row.runs:
            table = run.predictions
            names = table.dataset + "/" + table.subject + " " + table["clip"]
            right.update(names[table.truth == table.predicted])
        found = [f"{who} {clip}" for who, clip in zip(people, data["clips"], strict=True)]
        assert [int(each) for each in data["right"][place]] == [right[name] for name in found]
        assert data["seeds"][place] == seeds
        assert data["uf1"][place][0] == round(row.scores["full"].uf1, 5)
    for (one, two), line in zip(combinations(range(3), 2), data["pairs"], strict=True):
        value, interval = group.standing.difference(one, two)
        assert line[2:5] == [round(1000 * each) for each in (value, interval.low, interval.high)]


def test_hostile_names_are_text(rows):
    assert len(HOSTILE) == 50
    made = [replace(row, label=name, remarks=[name]) for row, name in zip(rows, HOSTILE, strict=False)]
    files = [row.runs[0].file for row in made]
    for file, row in zip(files, made, strict=True):
        changed = file.model_copy(update={"remark": row.label, "data": row.label, "config_name": row.label})
        object.__setattr__(row, "runs", [RecordedRun(changed, run.place) for run in row.runs])
    plain = {
        "kind": "reported",
        "year": 2020,
        "part": "full",
        "uf1": 0.5,
        "uar": 0.5,
        "acc": None,
        "uf1_printed": ".50",
        "uar_printed": ".50",
        "acc_printed": "",
        "verdict": "possible",
    }
    published = [plain | {"method": name, "source": name, "remarks": {"x": name}, "evidence": name} for name in HOSTILE]
    found = dict(site_files(content(made, published={"toys": published}, notes=[f"toys {name}" for name in HOSTILE])))
    said = {name: Page(text) for name, text in found.items() if name.endswith(".html")}
    for page in said.values():
        assert not any(tag == "img" or "onerror" in attrs or "onmouseover" in attrs for tag, attrs in page.elements)
        assert {attrs.get("src", "").rpartition("/")[2] for tag, attrs in page.elements if tag == "script"} <= {
            "site.js", "pairs-toys-1.js",
        }  # fmt: skip
    every = "".join(said["boards/toys.html"].texts)
    for name in HOSTILE:
        assert shown_lines(name) in every, name
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", "".join(found.values()))
    assert len({safe(name) for name in HOSTILE}) == 50
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", safe(name)) for name in HOSTILE)


def test_a_site_is_written_again_to_the_byte_and_replaces_its_own_files_only(rows, tmp_path):
    out = tmp_path / "out"
    sizes = write_site(content(rows), out)
    first = {name: (out / name).read_bytes() for name in sizes}
    assert sizes == {name: len(data) for name, data in first.items()}
    assert (out / LIST).read_text(encoding="utf-8").splitlines() == sorted(first.keys() - {LIST})
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    write_site(content(rows[:1]), out)
    assert len(list((out / "rows").iterdir())) == 1
    write_site(content(rows), out)
    assert {name: (out / name).read_bytes() for name in sizes} == first
    assert (out / "mine.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("x", encoding="utf-8")
    assert "other is not empty: give --out a new folder" in refusal(write_site, content(rows), other)
    assert "the board is empty" in refusal(write_site, content([]), tmp_path / "none")
    (out / LIST).write_text("../other/thesis.tex\n/etc/passwd\n", encoding="utf-8")
    write_site(content(rows), out)
    assert (other / "thesis.tex").exists()
