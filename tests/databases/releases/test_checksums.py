import re

from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.databases.releases.checksums import PublishedFile, checksums, main, read_checksums
from merbench.databases.releases.megc2019_flow28 import DATABASE, IMAGES, LIST

DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"
HEADER = "path,bytes,sha256\n"


def test_lists_have_files_of_folders_and_their_sizes_and_digests(tmp_path):
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for name in ("list.csv", "other.csv", "images/a, b .png", "images/deep/c.png", "images/.DS_Store"):
        (tmp_path / name).write_bytes(b"hello")
    text = checksums(tmp_path, ["list.csv", "images"])
    assert text == f'{HEADER}list.csv,5,{DIGEST}\n"images/a, b .png",5,{DIGEST}\nimages/deep/c.png,5,{DIGEST}\n'
    (tmp_path / "made.csv").write_text(text, encoding="utf-8")
    files = read_checksums(tmp_path / "made.csv")
    assert [file.path for file in files] == ["list.csv", "images/a, b .png", "images/deep/c.png"]
    assert all(file.is_in(tmp_path) for file in files)
    file = PublishedFile(path="a", bytes=5, sha256=DIGEST)
    assert not file.is_in(tmp_path)
    for content, same in ((b"hello", True), (b"hellO", False), (b"hell", False), (b"hello\n", False), (b"", False)):
        (tmp_path / "a").write_bytes(content)
        assert file.is_in(tmp_path) is same
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert not file.is_in(tmp_path)


def test_lists_of_anything_but_files_are_refused(tmp_path):
    def refused(*rows):
        (tmp_path / "list.csv").write_text("\n".join([HEADER.strip(), *rows]), encoding="utf-8")
        return refusal(read_checksums, tmp_path / "list.csv", case=rows, error=DataError)

    for path in (
        "../a", "a/../../b", "/etc/passwd", "a//b", "./a", "a/.", "a/", "", "..", r"..\a", r"C:\a", "C:a", "a\x1b[31m"
    ):  # fmt: skip
        assert "list.csv, line 3: path: " in refused(f"fine,5,{DIGEST}", f"{path},5,{DIGEST}"), path
    for rows, expected in (
        ([f"a,-1,{DIGEST}"], "line 2: bytes: "),
        ([f"a,many,{DIGEST}"], "line 2: bytes: "),
        (["a,5,1234"], "line 2: sha256: "),
        ([f"a,5,{DIGEST.upper()}"], "line 2: sha256: "),
        (["a,5"], "line 2: sha256: "),
        ([f"a,5,{DIGEST},more"], "line 2: "),
        ([f"a,5,{DIGEST}", f"A,5,{DIGEST}"], "line 3: duplicate path A"),
        ([], "lists no file"),
    ):
        assert expected in refused(*rows)
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("absent.csv", "bytes.csv"):
        line = refusal(read_checksums, tmp_path / name, error=DataError)
        assert re.search(f"{name} can't be read: .*; install merbench again", line)


def test_the_command_prints_lists_and_the_packaged_one_is_real(tmp_path, capsys, shared):
    (tmp_path / "a").write_bytes(b"hello")
    assert main([str(tmp_path), "a"]) == 0
    assert capsys.readouterr().out == f"{HEADER}a,5,{DIGEST}\n"
    assert main([str(tmp_path), "b"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'b'} is neither a file nor a folder with files\n"
    assert main([str(tmp_path)]) == 2
    assert "error: give FOLDER NAME" in capsys.readouterr().err
    files = [file.path for file in read_checksums(DATABASE.card.download.checksums)]
    assert (len(files), files[0]) == (443, LIST)
    assert all(re.fullmatch(rf"{IMAGES}/[A-Za-z0-9_]+ \.png", path) for path in files[1:])
    assert main([str(shared / "data/megc2019-flow28"), LIST, IMAGES]) == 0
    assert capsys.readouterr().out == DATABASE.card.download.checksums.read_text(encoding="utf-8")
