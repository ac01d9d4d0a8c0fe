"""CAS(ME)^3, part A: the macro-expressions in its long videos, for pretraining (Li et al., IEEE TPAMI 2023).

Videos, people and names of clips are those of :mod:`~merbench.databases.readers.casme3`; the sheet is another one,
``CAS(ME)3_part_A_v2.xls``, with 3346 macro- and 860 micro-expressions; the former are read. It gives an
objective class and no emotion: the label is ``macro``.
"""

from pathlib import Path
from typing import Any

from merbench.contracts.databases import DatabaseCard
from merbench.contracts.notes import Note, NoteKind
from merbench.databases.readers.casme3 import DATABASE as CASME3
from merbench.databases.reading.layouts import is_tree_without
from merbench.databases.reading.sheet_database import SheetDatabase
from merbench.databases.reading.sheets import Sheet, SheetForm


class _Casme3Macro(SheetDatabase):
    def recognises(self, folder: Path) -> bool:
        """Return whether the tree is there; with the sheet of micro-expressions it is a copy of ``casme3``."""
        return is_tree_without(folder, self.tree, CASME3.sheet)

    def _identified(
        self, sheet: Sheet, notes: list[Note], kind: NoteKind
    ) -> dict[tuple[str, str], tuple[int, dict[Any, Any]]]:
        """Match the rows of macro-expressions."""
        micro = sheet.rows.emotion.fillna("").str.lower().str.startswith("micro")
        if micro.any():
            notes.append(Note("note", f"{micro.sum()} micro-expressions of the sheet are not read: casme3 has them"))
        return super()._identified(Sheet(sheet.path, sheet.title, sheet.rows[~micro], sheet.letters), notes, kind)


DATABASE = _Casme3Macro(
    card=DatabaseCard(
        name="casme3-macro",
        title="CAS(ME)3 part A, macro-expressions",
        datasets={"casme3-macro": "CAS(ME)3 macro"},
        holds="3346 macro-expressions without emotions, for pretraining",
        licence=CASME3.card.licence,
        source=CASME3.card.source,
        same_people={"casme3-macro": "casme3"},
        untried=True,
    ),
    tree=CASME3.tree,
    repeats=True,
    spelling=CASME3.spelling,
    folder_of=CASME3.folder_of,
    fps=CASME3.fps,
    emotions=("macro",),
    sheet=SheetForm(
        files=r"cas\(me\)\^?3.*part_?A(?!.*(?:label|wrong)).*",
        example="CAS(ME)3_part_A_v2.xls",
        columns=CASME3.sheet.columns | {"emotion": ("Expression type", "Type")},
        optional=("objective_class",),
    ),
    named=CASME3.named,
    labelled=lambda _, cell: cell and cell.lower().partition("-")[0].strip(),  # Macro-expression
)
