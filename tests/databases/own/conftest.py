import pytest
from support import miniature
from support.own import ROWS, write_video

from merbench.databases import DATABASES


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Write frames of twelve clips of four people; return the folder, which has ``frames/``."""
    monkeypatch.setenv("MERBENCH_HOME", str(tmp_path / "home"))
    frames = tmp_path / "frames"
    for person, clip, *_ in ROWS:
        number = clip[-1]
        if person == "P2":
            write_video(frames / f"P02_clip-{number}.avi", 20)
        elif person == "P3":
            for name in ("onset", "apex"):
                miniature.write_frames(frames, [0], f"P3_clip_{number}_{name}.jpg")
        else:
            miniature.write_frames(frames / f"p0{person[1]}" / f"Clip_{number}", range(1, 21), "f{:04d}.png")
    yield tmp_path
    monkeypatch.undo()
    DATABASES.forget()
