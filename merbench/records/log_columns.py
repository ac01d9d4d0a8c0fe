"""The columns of a log: their names as scripts write them, and predictions that are given as a score of each class."""

import re
from collections.abc import Sequence

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import DataError, listed
from merbench.contracts.notes import Note

CSV_COLUMNS = [*IDENTITY, "truth", "predicted"]

#: Column -> other names that scripts give it, without blanks and signs.
_OTHERS = {
    "dataset": ("database", "db", "datasetname", "databasename", "数据集", "数据库"),
    "subject": (
        "sub", "subj", "subjectid", "subjectno", "subjectname", "subjectnumber", "participant", "person",
        "受试者", "被试", "被试者", "人员",
    ),
    "clip": (
        "clipid", "clipname", "file", "filename", "video", "videoid", "videoname", "sample", "sampleid", "samplename",
        "样本", "视频", "视频名", "片段", "文件", "文件名",
    ),
    "truth": (
        "label", "labels", "class", "true", "truelabel", "trueclass", "ytrue", "gt", "gtlabel", "groundtruth", "target",
        "actual", "标签", "真实", "真实标签", "真实类别", "真值", "类别",
    ),
    "predicted": (
        "prediction", "predictions", "pred", "preds", "predict", "ypred", "yhat", "predlabel", "predictedlabel",
        "predictedclass", "预测", "预测标签", "预测类别", "预测结果",
    ),
    "epoch": ("epochs", "轮次"),
}  # fmt: skip
KNOWN = {other: name for name, others in _OTHERS.items() for other in (name, *others)}
#: Names of a column that has the clips, where no other column does.
_CLIPS = ("path", "filepath", "videopath", "imagepath", "clippath", "id", "路径")

#: What scripts write before a class in the name of the column with its scores.
_SCORES = ("score", "scores", "p", "prob", "probs", "probability", "logit", "logits", "softmax", "")


def plain(name: str) -> str:
    """Return the name of a column without case, blanks and signs."""
    return re.sub(r"[\W_]", "", name.casefold())


def named(cells: Sequence[str]) -> list[str]:
    """Return columns by their one name, in lower case; another name counts where the one is not there."""
    lower = [cell.strip().lower() for cell in cells]
    known = [KNOWN.get(plain(cell), cell) for cell in lower]
    columns = [cell if name in lower else name for cell, name in zip(lower, known, strict=True)]
    weak = [place for place, cell in enumerate(lower) if plain(cell) in _CLIPS]
    if "clip" not in columns and len(weak) == 1 and len(set(KNOWN.values()) & set(columns)) > 1:
        columns[weak[0]] = "clip"
    return ["" if column in ("place", "stem") else column for column in columns]


def check_each_once(columns: Sequence[str], where: str, written: Sequence[str] = ()) -> None:
    """Refuse two columns of one name, unless it is empty; `written` are their names in the log."""
    if twice := [name for name in dict.fromkeys(columns) if name and list(columns).count(name) > 1]:
        own = [cell.strip() for cell, name in zip(written, columns, strict=False) if name == twice[0]]
        if len({cell.lower() for cell in own}) > 1:
            raise DataError(f"{where}: {' and '.join(own)} both mean {twice[0]}: keep one of the columns")
        raise DataError(f"{where} names the column {listed(twice)} twice")


def words_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a data frame of predictions as words, as :func:`merbench.records.log_files.read_words` does."""
    if set(named([str(level) for level in table.index.names])) & set(CSV_COLUMNS):
        table = table.reset_index()
    columns = named([str(column) for column in table.columns])
    if "clip" not in columns and pd.api.types.is_string_dtype(table.index) and table.index.name is None:
        return words_of(table.rename_axis("clip"), name)
    used = [column if column in CSV_COLUMNS else "" for column in columns]
    check_each_once(used, name, [str(column) for column in table.columns])
    found = table.set_axis(columns, axis=1).loc[:, [bool(column) for column in columns]]
    found = found.map(lambda value: "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value).strip())
    return found.assign(place=[f"{name}, row {number}" for number in range(1, len(found) + 1)])


def check_one_run(table: pd.DataFrame, name: str, classes: Sequence[str]) -> None:
    """Refuse a log without predictions whose other columns have classes: several runs, or one of another name."""
    if "predicted" in table.columns or not {"subject", "truth"} <= set(table.columns):
        return
    words = {*classes, *map(str, range(len(classes)))}
    others = [column for column in table.columns if column not in {*CSV_COLUMNS, "epoch", "place", "stem"}]
    if found := [column for column in others if len(table) and table[column].str.strip().str.lower().isin(words).all()]:
        raise DataError(
            f"{name} lacks the column predicted; columns with a class for each clip: {listed(found, most=6)}: rename "
            "one of them to predicted, a log for each run"
        )


def _columns_of(columns: dict[str, str], wanted: dict[str, set[str]]) -> dict[str, str]:
    """Return class -> column, by the plain names that are wanted; empty unless every class has just one."""
    found = {each: [column for column, word in columns.items() if word in names] for each, names in wanted.items()}
    return {each: names[0] for each, names in found.items()} if all(len(n) == 1 for n in found.values()) else {}


def with_predicted(table: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, list[Note]]:
    """Take the class with the largest score where a log has a column of scores for every class, but no predictions.

    Raises DataError for a score that is not a number; a clip without scores has no prediction.
    """
    columns = {column: plain(column) for column in table.columns}
    wanted = {each: {f"{before}{plain(each)}" for before in _SCORES} for each in classes}
    numbered = {each: {f"{before}{number}" for before in _SCORES[:-1]} for number, each in enumerate(classes)}
    found, order = _columns_of(columns, wanted), ""
    if "predicted" not in table.columns and not found:
        found, order = _columns_of(columns, numbered), f"; the classes in the protocol's order, {', '.join(classes)}"
    if "predicted" in table.columns or not found:
        return table, []
    words = table[list(found.values())].set_axis(list(classes), axis=1)
    scores = words.map(lambda word: word.replace(",", ".")).apply(pd.to_numeric, errors="coerce")
    wrong = (words != "").any(axis=1) & scores.isna().any(axis=1)
    if wrong.any():
        row = table[wrong].iloc[0]
        cells = listed(words[wrong].iloc[0])
        raise DataError(f"{row.place}: expected a number for each of {listed(classes)}, found {cells!r}")
    whole = scores.notna().all(axis=1)
    predicted = pd.Series("", index=table.index, dtype=object)
    predicted[whole] = scores[whole].idxmax(axis=1)
    text = f"predictions are the classes with the largest of {listed(found.values())}{order}"
    ties = int((scores[whole].eq(scores[whole].max(axis=1), axis=0).sum(axis=1) > 1).sum())
    text += f"; of equal ones ({ties} clip{'s' * (ties > 1)}) the first" if ties else ""
    kept = table.drop(columns=list(found.values()))
    renamed = {f"score_{each}": scores[each].map(str) for each in classes}
    return kept.assign(predicted=predicted, **renamed), [Note("note", text)]
