"""``merbench data show``: a contact sheet of clips."""

from pathlib import Path
from typing import Annotated

from merbench.cli.declare import argument, option
from merbench.cli.printing import say


def show(
    name: Annotated[str, argument("A database, a folder with a copy of one, a video, or a clip's folder.", "DATABASE")],
    clip: Annotated[str | None, argument("[dataset/]subject/clip (default: some clips of each class).", "CLIP")] = None,
    methods: Annotated[
        list[str] | None, option("--for", "A method whose inputs are drawn; repeatable.", "METHOD[:CONFIG]")
    ] = None,
    frames: Annotated[
        str | None,
        option("--frames", "Of a video or a clip's folder: onset,apex[,offset].", "A,B"),
    ] = None,
    out: Annotated[Path | None, option("--out", "The .png to write.", "FILE")] = None,
) -> None:
    """Write a contact sheet of clips: frames, differences, flow, strain, action units; or the inputs of a method.

    A video, or a folder of numbered pictures, is shown as one clip: face, and flow between two frames.
    """
    from merbench.cli.data.declared import declared
    from merbench.cli.display import PreparationDisplay
    from merbench.contracts.errors import DataError, MerbenchError
    from merbench.databases import DATABASES
    from merbench.databases.reading.videos import is_video
    from merbench.engine.plan.data import open_named
    from merbench.prepare.contact_sheet import chosen_clips, contact_sheet, write_picture
    from merbench.prepare.first_look import first_look
    from merbench.report.write.terminal import terminal

    if out is not None and (out.suffix.lower() != ".png" or not out.absolute().parent.is_dir()):
        raise MerbenchError(f"--out {out}: expected a .png file in an existing folder")
    with PreparationDisplay(terminal()) as watcher:
        path, known = Path(name), name in DATABASES.names()
        looked_at = None if known else first_look(path, frames)
        if frames is not None and looked_at is None:
            raise MerbenchError(f"--frames is for a video or a clip's folder, and {name} is neither")
        if (
            not known
            and looked_at is None
            and (path.is_file() or (not path.exists() and ("/" in name or is_video(path))))
        ):
            what = "is not a video that merbench reads" if path.is_file() else "does not exist"
            raise MerbenchError(f"{name} {what}: give a video, a clip's folder, or a registered database")
        try:
            source = looked_at or open_named(name, watcher)
        except DataError as error:
            if known or not path.is_dir():
                raise
            raise DataError(f"{error}; to look at one clip, give its video or the folder of its pictures") from error
        specs = declared(methods, watcher) if methods else {}
    clips = chosen_clips(source, clip)
    of = "" if clip is None else "-" + str(clips.iloc[0]["clip"]).replace("/", "-")
    target = out or Path(f"{source.name}{of}.png")
    write_picture(target, contact_sheet(source, clips, specs))
    say(f"{target}: {len(clips)} clip{'s' * (len(clips) > 1)} of {source.name}")
