"""Contact sheets: frames of clips and the inputs of methods, a row a clip."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_name, clip_names
from merbench.contracts.databases import Source
from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.inputs import Flow, Frames, InputSpec
from merbench.prepare.arrays import clip_frames, prepare_input
from merbench.prepare.faces.settle import settled
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.kind import kind_of
from merbench.prepare.pictures import SIDE, Picture, grey

#: Clips on a sheet if none is named.
MOST_CLIPS = 12
#: The change from onset to apex is amplified by this factor, around grey.
EXAGGERATED = 6
_TEXT, _LINE = 0.42, 18
_TITLES = ("onset", "rise", "apex", "decay", "offset", f"change x{EXAGGERATED}", "flow", "strain")


def chosen_clips(source: Source, wanted: str | None) -> pd.DataFrame:
    """Return the row of the clip that `wanted` names, or the first clips of each dataset and emotion.

    `wanted` is ``dataset/subject/clip``, or an end of it; MerbenchError if no clip, or several clips, have this name.
    """
    clips = source.clips
    if wanted is None:
        turns = clips.assign(turn=clips.groupby(["dataset", "emotion"]).cumcount()).sort_values("turn", kind="stable")
        return turns.groupby("dataset").head(MOST_CLIPS // clips.dataset.nunique()).sort_index()
    names = clip_names(clips)
    matching = [index for index, name in enumerate(names) if f"/{name}".endswith(f"/{wanted.strip('/')}")]
    if not matching:
        close = suggestion(wanted, [name.partition("/")[2] for name in names])
        hint = close if "did you mean" in close else f" (names are like {names[0]})"
        raise MerbenchError(f"{source.name} has no clip {wanted!r}{hint}")
    if len(matching) > 1:
        some = ", ".join(names[index] for index in matching[:5])
        raise MerbenchError(f"{source.name} has several clips {wanted!r}: {some}")
    return clips.iloc[matching]


def contact_sheet(source: Source, clips: pd.DataFrame, specs: Iterable[InputSpec] = ()) -> Picture:
    """Draw a row a clip: the given inputs that are not mere numbers.

    Without any: five frames from onset to offset, their change, flow and strain (of a single picture, itself); or the
    inputs that a release offers.
    Returns RGB, shape (height, width, 3). DataError names a clip that can't be read or shows no face.
    """
    wanted = tuple(specs) or source.database.card.offers
    if wanted is None:
        pictures = [_prepared(clip, source.reading.cropped) for clip in clip_frames(source, clips)]
    else:
        pictures = _drawn(source, clips, wanted)
    return np.vstack([_row(_caption(clip), each) for clip, each in zip(clips.itertuples(), pictures, strict=True)])


def write_picture(path: Path, picture: Picture) -> None:
    """Write an RGB picture as PNG; raises MerbenchError if the file can't be written."""
    _, png = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))
    try:
        path.write_bytes(png.tobytes())
    except OSError as error:
        reason = error.strerror or error
        raise MerbenchError(f"{path} can't be written ({reason}): use --out with another file") from error


def _caption(clip: Any) -> str:
    said = [clip_name(clip), "no emotion" if pd.isna(clip.emotion) else clip.emotion]
    if not pd.isna(clip.onset):
        source = "" if clip.apex_source == "annotated" else f" ({clip.apex_source})"
        rate = "" if pd.isna(clip.fps) else f" at {clip.fps:g} fps"
        said.append(f"frames {clip.onset:.0f}, {clip.apex:.0f}{source}, {clip.offset:.0f}{rate}")
        said.append(f"AU {'none annotated' if pd.isna(clip.aus) else clip.aus}")
    return "   ".join(said)


def _prepared(clip: ClipFrames, cropped: bool) -> list[tuple[str, Picture]]:
    if clip.onset == clip.offset:  # a single picture
        (picture,) = build(settled(Frames(count=1, span="onset", size=SIDE, colour="rgb"), cropped), clip)
        return [("picture", picture)]
    specs = (
        Frames(count=5, size=SIDE, colour="rgb", sampling="phase"),
        Flow(size=SIDE, channels=("u", "v"), normalise="hsv", face_size=SIDE),
        Flow(size=SIDE, channels=("strain",), face_size=SIDE),
    )
    frames, flow, strain = (build(settled(spec, cropped), clip) for spec in specs)
    change = 128 + EXAGGERATED * (frames[2].astype(float) - frames[0]).mean(axis=-1)
    return list(zip(_TITLES, [*frames, grey(change), flow, grey(strain[:, :, 0])], strict=True))


def _drawn(source: Source, clips: pd.DataFrame, specs: Iterable[InputSpec]) -> list[list[tuple[str, Picture]]]:
    found: list[list[tuple[str, Picture]]] = [[] for _ in range(len(clips))]
    for spec in specs:
        values = prepare_input([source], clips, spec).batch()  # without jitter
        for row, array in zip(found, values, strict=True):
            row += kind_of(spec).pictures(spec, array)
    return found


def _row(caption: str, pictures: list[tuple[str, Picture]]) -> Picture:
    """Arrange pictures in a row, each below its title, all below the caption."""
    titled = [np.vstack([_text(title, SIDE, 110), picture]) for title, picture in pictures]
    body = np.hstack(titled) if titled else np.full((_LINE, 0, 3), 255, dtype=np.uint8)
    width = max(body.shape[1], 8 * SIDE)
    body = np.pad(body, ((0, 6), (0, width - body.shape[1]), (0, 0)), constant_values=255)
    return np.vstack([_text(caption, width, 0), body])


def _text(text: str, width: int, ink: int) -> Picture:
    line = np.full((_LINE, width, 3), 255, dtype=np.uint8)
    plain = text.encode("ascii", "replace").decode()
    font, colour = cv2.FONT_HERSHEY_SIMPLEX, (ink, ink, ink)
    return np.asarray(cv2.putText(line, plain, (3, 13), font, _TEXT, colour, 1, cv2.LINE_AA))
