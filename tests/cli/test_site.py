import json
import re

import pytest
from support.cases import says


def test_a_site_of_ones_own_runs_is_marked(recorded, done, tmp_path):
    says(done("site", "--out", "board", "--results", "results"), "pages, | MB: board/index.html")
    index = (tmp_path / "board" / "index.html").read_text(encoding="utf-8")
    assert "A board of one's own runs" in index
    assert "<a href=boards/small.html>" in index
    assert not (tmp_path / "board" / "boards" / "megc2019.html").exists()
    (row,) = [path for path in (tmp_path / "board" / "rows").iterdir() if path.name.startswith("svm-flow-")]
    text = row.read_text(encoding="utf-8")
    says(text, "merbench run svm-flow | SVM on the flow image | --data megc2019-flow28 | kernel=rbf")


@pytest.mark.slow
def test_the_site_of_the_committed_leaderboard_is_small_linked_and_the_same_again(done, tmp_path):
    done("site", "--out", "board")
    files = {path: path.read_bytes() for path in (tmp_path / "board").rglob("*") if path.is_file()}
    pages = {path: len(re.sub(rb"<svg.*?</svg>", b"", data)) for path, data in files.items()}  # pictures apart
    one = [
        size
        for path, size in pages.items()
        if path.parts[-2] not in {"boards", "pairs", "rows"} or "megc2019" in path.name
    ]
    assert sum(one) < 2_000_000  # the board of one protocol; the others have a quarter of its rows at most
    assert sum(pages.values()) < 3_000_000
    assert [path.name for path, data in files.items() if len(data) >= 200_000] == []
    assert (tmp_path / "board" / "pairs" / "megc2019.html") in files
    ids = {path: set(re.findall(r' id="?([^"\s>]+)', data.decode())) for path, data in files.items()}
    for path, data in files.items():
        for link in re.findall(r'<[^>]* (?:href|src)="?([^"\s>]+)', data.decode()) if path.suffix == ".html" else ():
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert ":" in link or target in files, (path.name, link)
            assert ":" in link or not anchor or anchor in ids[target], (path.name, link)
    done("site", "--out", "board")
    assert {path: path.read_bytes() for path in files} == files


def test_runs_that_do_not_verify_are_named(recorded, merbench):
    (run,) = [path for path in recorded.iterdir() if path.name.startswith("svm-flow-")]
    content = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(content | {"remark": "the best"}), encoding="utf-8")
    said = merbench("site", "--out", "board", "--results", "results")
    assert said.code == 1
    assert said.err.count("\n") == 1
    says(said.err, f"{run.name} does not verify: | run.json")
    says(said.out, "board/index.html")


def test_wrong_use_is_refused(all_refused, merbench, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    all_refused("site --out board --results none|site --out board --no-leaderboard|site")
