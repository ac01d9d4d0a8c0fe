"""The site in a real browser: the distribution's Chromium, which is not downloaded; skipped where there is none."""

import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.cases import each

from merbench.contracts.cards import Card
from merbench.site.build import write_site
from merbench.site.content import SiteContent

pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}
#: A4 across without its margins.
PAPER = {"width": 1030, "height": 700}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: uv sync installs it")
    with api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def folder(record, answers, right, wrong, tmp_path):
    """Write a site of five rows, three of them ranked together, a curve, and two published figures."""
    for method, given, seed in (("good", right, 0), ("good", answers, 1), ("bad", wrong, 0), ("toy", answers, 0)):
        selection = "inner" if method == "toy" else "last"
        record(
            given,
            method=method,
            seed=seed,
            selection=selection,
            epochs={clip: [said[0], said[1]] for clip, said in given.items()},
        )
    record(answers, method="holes", folds=["alpha/s1"])
    record(right, method="pretrained", admissions=["pretrained on b"])
    for strength, given in (("1", answers), ("100", right)):
        record(given, method="bad", variant=f"strength={strength}", not_ranked=["settings known from test clips"])
    record(answers, method="bad", variant="depth=many", not_ranked=["settings known from test clips"])
    figure = {"kind": "reported", "year": 2020, "part": "full", "uf1": 0.5, "uar": 0.6, "acc": None, "source": "paper",
              "uf1_printed": ".50", "uar_printed": ".60", "acc_printed": "", "evidence": "None."}  # fmt: skip
    published = [
        figure | {"method": "Net <b>", "remarks": {"x": "a remark"}, "verdict": "impossible"},
        figure | {"method": "Other", "uf1": 0.4, "uf1_printed": ".4", "remarks": {}, "verdict": "possible"},
    ]
    command = "merbench run {0.method} --protocol {0.protocol}"
    rows = record.rows()[0]
    methods = {name: card(name, year, kind) for name, year, kind in
               (("good", 2019, "net"), ("bad", 2021, "classical"), ("toy", 2021, "net"))}  # fmt: skip
    content = WithInputs(rows, {}, methods, lambda row: command.format(row.runs[0].file), published={"toys": published})
    write_site(content, tmp_path / "site")
    return tmp_path / "site"


def card(name, year, family):
    paper = {"title": name, "authors": "A", "year": year, "venue": "V", "bibtex": f"@misc{{{name}}}"}
    return Card(name=name, title=name, summary="", implementation="m:C", family=family, paper=paper)


class WithInputs(SiteContent):
    def inputs(self, row):
        return "flow" if row.label.startswith("bad") else "video"


@pytest.fixture
def open_page(browser, folder):
    """Return what opens a page from a file: ``open_page(name, **context)``; errors in its console fail the test."""
    contexts, said = [], []

    def call(name, address=None, permissions=(), **options):
        context = browser.new_context(**options)
        context.grant_permissions(list(permissions))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(f"{address or folder.as_uri()}/{name}")
        return page

    yield call
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def address(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def labels(page, table="#t-group-1"):
    return page.locator(
        f"{table} tbody tr:not([hidden]) th.key > a, {table} tbody tr:not([hidden]) th.key:not(:has(a))"
    ).all_inner_texts()


def page_of(folder, method):
    (path,) = [path for path in (folder / "rows").iterdir() if f"<h1>{method}</h1>" in path.read_text(encoding="utf-8")]
    return f"rows/{path.name}"


def test_a_board_is_sorted_filtered_and_searched(open_page):
    page = open_page("boards/toys.html")
    toy = "toy (inner epoch)"
    known = "bad (depth=many)"
    assert labels(page) == ["good", toy, "bad", known, "holes"]
    head = page.locator("#t-group-1 thead tr:last-child th").first
    for order, first in (("descending", "good"), ("ascending", "bad")):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        assert labels(page)[0] == first
    page.locator("#t-group-1 thead button", has_text="Method").press("Enter")
    assert labels(page) == ["bad", known, "good", "holes", toy]
    search = page.get_by_label("Search").first
    search.fill("OL HO")
    assert labels(page) == ["holes"]
    assert page.locator("section .count").first.inner_text() == "1 of 5 rows shown"
    search.fill("")
    for title, chosen, left in (("Family", "net", ["good", toy]), ("Input", "flow", ["bad", known]),
                                ("Year", "2021", ["bad", known, toy]), ("Selection", "inner", [toy]),
                                ("Settings known", "yes", [known])):  # fmt: skip
        select = page.locator("label", has_text=title).locator("select").first
        select.select_option(chosen)
        assert labels(page) == left, title
        select.select_option("all")
    groups = page.locator("main section[data-discloses]")
    for chosen, shown in (("yes", [False, True]), ("no", [True, False]), ("all", [True, True])):
        page.get_by_label("Discloses something").select_option(chosen)
        assert [groups.nth(place).is_visible() for place in (0, 1)] == shown
    page.get_by_label("Databases").first.uncheck()
    assert not page.locator("#t-group-1 th.p").first.is_visible()
    notes = page.locator("#t-published details").first
    assert not notes.get_by_text("a remark").is_visible()
    notes.locator("summary").press("Enter")
    assert notes.get_by_text("a remark").is_visible()
    assert labels(page, "#t-published") == ["Net <b>", "Other"]
    page.locator("#t-group-1").get_by_role("link", name="good").click()
    assert page.locator("h1").inner_text() == "good"


def test_a_row_is_compared_with_another_from_either_side(open_page, folder):
    found = []
    for method, other in (("good", "bad"), ("bad", "good")):
        page = open_page(page_of(folder, method))
        page.get_by_label("Compare with").select_option(label=other)
        page.get_by_text("from each of 3 other rows").click()
        overview = page.locator(".pairs details tbody tr", has=page.get_by_role("link", name=other, exact=True))
        assert page.locator(".pairs caption").all_inner_texts()[0] == "Settings in which they differ"
        (full,) = [each for each in page.locator(".pairs .answer tr").all_inner_texts() if each.startswith("Full")]
        found.append([float(number) for number in re.findall(r"[-+]\.\d+", full)])
        assert [float(number) for number in re.findall(r"[-+]\.\d+", overview.inner_text())] == found[-1]
    (value, low, high), turned = found
    assert turned == [-value, -high, -low]
    assert value > 0


def test_a_row_is_compared_with_rows_without_rank_and_shows_its_people(open_page, folder):
    page = open_page(page_of(folder, "good"))
    page.get_by_label("Compare with").select_option(label="bad (depth=many)")
    said = page.locator(".pairs .answer p").inner_text()
    assert "not tested: without rank" in said
    # the seeds of good are right in 7 and 5 of 7 clips, the other in 5
    assert "2 clips here, 0 there" in said
    page.get_by_text("Recall of each of 3 subjects").click()
    lines = [line.split() for line in page.locator(".people tbody tr").all_inner_texts()]
    assert lines[0] == ["alpha/s1", "1.5/2", "1/1", "0.5/1"]


def test_settings_known_from_test_clips_are_a_curve_and_no_points(open_page, folder):
    page = open_page("boards/toys.html", java_script_enabled=False)
    (curve,) = page.locator("svg.picture[aria-label*='against strength']").all()
    assert curve.get_attribute("aria-label").endswith("100 1.0000")
    assert page.locator("#t-group-1").get_by_text("strength").count() == 0
    assert not any("strength" in path.read_text(encoding="utf-8") for path in (folder / "rows").iterdir())


def test_commands_are_copied_and_pages_work_on_a_server(open_page, folder, address):
    page = open_page(page_of(folder, "good"), address, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy Command").click()
    page.get_by_text("Command copied").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == "merbench run good --protocol toys"
    page = open_page(page_of(folder, "good"))
    page.get_by_role("button", name="Copy LaTeX line").click()
    page.get_by_text("copied").first.wait_for(state="attached")


def test_without_scripts_every_table_is_there(open_page):
    page = open_page("boards/toys.html", java_script_enabled=False)
    assert len(page.locator("#t-group-1 tbody tr").all()) == 5
    assert page.locator("#t-group-1").is_visible()
    assert not page.locator(".controls").first.is_visible()
    assert page.get_by_text("Ranks under other samples of people").is_visible()


def test_pages_fit_a_phone_the_dark_and_the_keyboard(open_page, folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))
    grounds = set()
    for scheme in ("light", "dark"):
        page = open_page("index.html", viewport=PHONE, color_scheme=scheme)
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        for name in each(names):
            page.goto(f"{folder.as_uri()}/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert len(grounds) == 2
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    for name in each(names):
        page.goto(f"{folder.as_uri()}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
        small, figure = (page.locator(f"#t-group-1 {cell}").first for cell in ("td.figure small", "td.figure"))
        if figure.count():
            size = "each => parseFloat(getComputedStyle(each).fontSize)"
            assert small.evaluate(size) <= figure.evaluate(size)


def test_axe_finds_no_serious_fault(open_page, folder, address):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: uv sync installs it")
    names = ["index.html", "boards/toys.html", "pairs/toys.html", page_of(folder, "good"), "claims.html",
             "claims/toys.html", "about.html", "methods.html", "protocols.html", "audit.html"]  # fmt: skip
    for scheme in ("light", "dark"):
        page = open_page("index.html", address, bypass_csp=True, color_scheme=scheme)
        for name in each(names):
            page.goto(f"{address}/{name}")
            faults = axe.Axe().run(page).response["violations"]
            assert [fault["id"] for fault in faults if fault["impact"] in ("serious", "critical")] == []
