"""Draw the rooms of merbench and the imports between them from the source: ``uv run python docs/house.py``."""

import ast
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "house.svg"

#: Rooms of the running wing, from left to right, and those in the middle; every other room is in the reading wing.
RUNNING = ["methods", "training", "prepare", "splits", "synthetic", "databases", "engine", "checks"]
MIDDLE = ["records", "tracking"]
ACROSS = ["api", "cli", "contracts"]  # as wide as the house
BRIDGE = "records"

WIDTH, MARGIN, ROW, HEIGHT, GAP, AISLE = 960, 20, 96, 46, 14, 64
AREAS = {"running": (20, 560), "middle": (602, 110), "reading": (734, 206), "across": (20, 920)}  # left edge, width
COLOURS = {"running": "#dbe9f6", "middle": "#fde9c9", "reading": "#dff0d8", "across": "#eceff1"}

Arrows = dict[tuple[str, str], int]  # (importing room, imported room) -> files
Boxes = dict[str, tuple[float, float, float]]  # left, top, right


def rooms() -> dict[str, list[Path]]:
    """Return the Python files of each room: the packages of merbench, and methods."""
    found = {path.parent.name: sorted(path.parent.rglob("*.py")) for path in ROOT.glob("merbench/*/__init__.py")}
    return found | {"methods": sorted((ROOT / "methods").rglob("*.py"))}


def imports() -> Arrows:
    """Count the files of a room that import from another room, for each ordered pair of rooms.

    Imports inside functions count; relative imports do not leave a room.
    """
    found: Arrows = Counter()
    known = rooms()
    for room, files in known.items():
        for path in files:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            named = []
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    named += [a.name for a in node.names]
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    named += [f"{node.module}.{a.name}" for a in node.names]
            used = {parts[1] for parts in (name.split(".") for name in named) if parts[0] == "merbench" and parts[1:]}
            for other in (used & known.keys()) - {room}:
                found[room, other] += 1
    return dict(sorted(found.items()))


def shown(arrows: Arrows) -> Arrows:
    """Leave out arrows that a longer path implies, but for those to the bridge."""
    below: dict[str, set[str]] = {}

    def reach(room: str) -> set[str]:
        if room not in below:
            next_to = {other for one, other in arrows if one == room}
            below[room] = next_to | {far for other in next_to for far in reach(other)}
        return below[room]

    def implied(room: str, other: str) -> bool:
        return any(other in reach(middle) for one, middle in arrows if one == room and middle != other)

    return {
        (room, other): count
        for (room, other), count in arrows.items()
        if not implied(room, other) or (other == BRIDGE and room not in ACROSS)
    }


def places() -> Boxes:
    """Return the box of each room: rows are the layers of ``pyproject.toml``, columns the wings."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers"]
    rows = [re.findall(r"merbench\.(\w+)", layer) for layer in layers]
    rows[next(index for index, row in enumerate(rows) if "training" in row) - 1].append("methods")
    boxes = {}
    for index, row in enumerate(rows):
        for area, (left, width) in AREAS.items():
            inside = sorted((room for room in row if _area(room) == area), key=_order)
            aisle = AISLE - GAP if "methods" in inside else 0  # between methods and the rooms of the library
            if "checks" in inside:
                width -= AISLE
            each = (width - aisle - GAP * (len(inside) - 1)) / max(len(inside), 1)
            for place, room in enumerate(inside):
                start = left + place * (each + GAP) + (aisle if place else 0)
                boxes[room] = (start, 50.0 + index * ROW, start + each)
    return boxes


def _area(room: str) -> str:
    named = {"across": ACROSS, "middle": MIDDLE, "running": RUNNING}
    return next((area for area, inside in named.items() if room in inside), "reading")


def _order(room: str) -> tuple[int, str]:
    return (RUNNING.index(room) if room in RUNNING else 0, room)


def drawn(arrows: Arrows, lines: dict[str, int]) -> str:
    """Return the picture as SVG."""
    boxes = places()
    height = max(top for _, top, _ in boxes.values()) + HEIGHT + 54
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>',
    ]
    for title, (left, width) in zip(("Running", "Bridge", "Reading"), AREAS.values(), strict=False):
        parts.append(f'<text x="{left + width / 2:g}" y="28" text-anchor="middle" font-size="17">{title}</text>')
    parts += _curves(boxes, shown(arrows))
    for room, (left, top, right) in boxes.items():
        colour = COLOURS["reading" if room == "tracking" else _area(room)]
        middle = (left + right) / 2
        parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{HEIGHT}" rx="6" fill="{colour}" '
            f'stroke="#546e7a"/><text x="{middle:g}" y="{top + 20:g}" text-anchor="middle" font-size="14">{room}</text>'
            f'<text x="{middle:g}" y="{top + 37:g}" text-anchor="middle" font-size="11" fill="#546e7a">'
            f"{lines[room]:,} lines</text>"
        )
    for offset, text in (
        (28, "An arrow leads from a room to one that it imports; the more files import, the thicker it is."),
        (11, "Arrows that follow from others are omitted, except those to records."),
    ):
        parts.append(f'<text x="{MARGIN}" y="{height - offset:g}" font-size="12" fill="#546e7a">{text}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _curves(boxes: Boxes, arrows: Arrows) -> list[str]:
    """Return a curve with a head for each arrow, from the lower edge of a box to the upper edge of another."""
    into: dict[str, list[tuple[float, str]]] = {}
    for one, other in arrows:
        left, _, right = boxes[one]
        aim = sum(boxes[one if other in ACROSS else other][::2]) / 2
        into.setdefault(other, []).append((min(max(aim, left + 16), right - 16), one))
    curves = []
    for other, start, place, one in (
        (other, start, place, one) for other, ones in into.items() for place, (start, one) in enumerate(sorted(ones))
    ):
        after = len(into[other]) - 1 - place  # heads at one box are kept apart
        end = max(min(start, boxes[other][2] - 16 * (1 + after)), boxes[other][0] + 16 * (1 + place))
        low, high = boxes[one][1] + HEIGHT, boxes[other][1] - 6
        bend = (high - low) / 2
        curves.append(
            f'<g data-from="{one}" data-to="{other}" stroke="#90a4ae" fill="none">'
            f'<path d="M{start:g} {low:g} C{start:g} {low + bend:g} {end:g} {high - bend:g} {end:g} {high:g}" '
            f'stroke-width="{1 + arrows[one, other] ** 0.5 * 0.7:.1f}"/>'
            f'<path d="M{end - 5:g} {high - 4:g} L{end:g} {high + 5:g} L{end + 5:g} {high - 4:g} Z" '
            'fill="#90a4ae"/></g>'
        )
    return curves


def committed() -> tuple[set[str], set[tuple[str, str]]]:
    """Return the rooms and the arrows of the committed picture."""
    text = PICTURE.read_text(encoding="utf-8")
    return set(re.findall(r'font-size="14">(\w+)<', text)), set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', text))


def main() -> None:
    """Write the picture."""
    lines = {
        room: sum(path.read_text(encoding="utf-8").count("\n") for path in files) for room, files in rooms().items()
    }
    PICTURE.write_text(drawn(imports(), lines), encoding="utf-8")
    print(f"wrote {PICTURE}", file=sys.stderr)


if __name__ == "__main__":
    main()
