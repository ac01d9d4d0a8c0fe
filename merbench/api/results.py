"""Runs and scores as data frames."""

import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack

import pandas as pd
import typer

from merbench.analysis.rows import FIELDS, figures_of
from merbench.api.arguments import (
    check_columns,
    flags,
    folder,
    many,
    mapping,
    maybe_text,
    one_of,
    text,
    whole,
    words,
)
from merbench.api.data import COPY, copies_of
from merbench.api.protocols import Named, argument_of
from merbench.api.protocols import protocol as find_protocol
from merbench.cli.asked import RunOptions, seeds_text
from merbench.cli.compare import compared
from merbench.cli.explain import explained
from merbench.cli.options import results_folder
from merbench.cli.run import carried_out, runs_report
from merbench.contracts.errors import MerbenchError, suggestion
from merbench.contracts.protocols import ProtocolSpec
from merbench.contracts.yamlfiles import settings_text
from merbench.engine.logs import log_of_table, open_log
from merbench.engine.plan.data import choose_data
from merbench.records.logs import Log
from merbench.report.views.score import log_notes
from merbench.report.write.terminal import terminal
from merbench.scoring.table import part_scores

if TYPE_CHECKING:
    from merbench.engine.plan.runs import RunPlan
    from merbench.report.table import Report

_Path: TypeAlias = str | os.PathLike[str]
#: The columns of scores.
_SCORED = [
    "part", "clips", "classes_scored", "uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc",
    "compared_with",
]  # fmt: skip
#: The tables of an explanation.
_EXPLAINED = ("parts", "classes", "subjects", "clips", "agreement")


class _Workers(TypedDict, total=False):
    """How folds are run, and where runs are mirrored: options of ``merbench run``."""

    workers: int
    gpus: int
    folds_per_gpu: Literal["auto"] | int
    pack: int
    executor: Literal["serial", "ray"]
    ray_address: str
    tracking_uri: str


def run(
    methods: str | Sequence[str],
    protocol: Named | Sequence[Named],
    *,
    data: _Path = "auto",
    config: str | Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    seeds: int | str | Iterable[int] = 0,
    select: Literal["last", "inner", "inner-keep"] = "last",
    folds: str | Sequence[str] = (),
    keep_epochs: bool = False,
    diagnose: bool = False,
    sanity: bool = False,
    existing: Literal["keep", "redo"] = "keep",
    results: _Path | None = None,
    quiet: bool = False,
    **workers: Unpack[_Workers],
) -> pd.DataFrame:
    """Train and test methods on every fold, with the options of ``merbench run``; recorded folds are not repeated.

    Returns the rows of these runs, as :func:`compare` does; those with failed folds have the ``status`` failed. Wrong
    use raises the `MerbenchError` of the command line. `config` is for all methods, or method -> configuration;
    `settings` are those of ``--set``: ``{"epochs": 20}``, or ``{"ststnet:epochs": 20}`` for one method. Progress goes
    to standard error, unless `quiet`. `workers` are ``workers, gpus, folds_per_gpu, pack, executor, ray_address,
    tracking_uri``.

    Examples
    --------
    >>> import merbench as mb
    >>> rows = mb.run("majority", "megc2019", data="synthetic-small", quiet=True)
    >>> rows[["method", "part", "clips", "uf1"]].round(3).head(2)
         method     part  clips    uf1
    0  majority     full    100  0.210
    1  majority  smic-hs     33  0.199
    """
    flags(keep_epochs=keep_epochs, diagnose=diagnose, sanity=sanity, quiet=quiet)
    one_of(select, "select", ("last", "inner", "inner-keep"))
    one_of(existing, "existing", ("keep", "redo"))
    configs = (
        [f"{key}:{value}" for key, value in mapping(config, "config", "{'medn': 'tiny'}").items()]
        if isinstance(config, Mapping)
        else words(config, "config", may_be_empty=True)
    )
    options = RunOptions(
        methods=words(methods, "methods"),
        protocol=[argument_of(each) for each in many(protocol) or [None]],
        data=text(data, "data", "the name of a database or a folder"),
        config=configs,
        settings=[settings_text({name: value}) for name, value in mapping(settings, "settings", "{'C': 10}").items()],
        seeds=_seeds(seeds),
        select=select,
        folds=words(folds, "folds", may_be_empty=True),
        existing=existing,
        results=folder(results),
        keep_epochs=keep_epochs,
        diagnose=diagnose,
        sanity=sanity,
        **_workers(workers),
    )
    return _carried_out(options, quiet)


def _workers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check how folds are run; ``folds_per_gpu`` becomes text."""
    known, least = _Workers.__annotations__, {"workers": 1, "pack": 1, "gpus": 0, "folds_per_gpu": 1}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise MerbenchError(f"mb.run has no argument {name!r}{suggestion(name, known)}")
        if value is None:
            continue
        if name == "executor":
            one_of(value, name, ("serial", "ray"))
        elif name not in least:
            text(value, name, "text")
        elif (name, value) != ("folds_per_gpu", "auto"):
            whole(value, name, least[name])
        found[name] = str(value) if name == "folds_per_gpu" else value
    return found


def _carried_out(options: RunOptions, quiet: bool) -> pd.DataFrame:
    reports: list[Report] = []

    def keep(plans: "list[RunPlan]") -> None:
        reports.append(runs_report(plans, options.runs))

    with suppress(typer.Exit):  # folds failed: they are printed, and their rows say so
        carried_out(options, terminal(stderr=True, quiet=quiet), keep)
    return _rows(reports[0])


def compare(
    methods: str | Sequence[str] = (),
    protocol: Named | None = None,
    *,
    data: str | None = None,
    published: bool = False,
    leaderboard: bool = False,
    sanity: bool = False,
    older: bool = False,
    results: _Path | None = None,
) -> pd.DataFrame:
    """Return the rows of ``merbench compare``, one per method, configuration and part.

    Parameters
    ----------
    methods : str or sequence of str
        Only these methods; all by default.
    protocol, data : optional
        Only runs under this protocol, on this data.
    published, leaderboard, sanity, older : bool
        Add published figures, the committed leaderboard, sanity rows, rows of earlier code or data.
    results : path, optional
        The results folder; by default ``MERBENCH_RESULTS``, else ``./results``.

    Returns
    -------
    pandas.DataFrame
        The fields of ``merbench compare --format json``: ``method, config, variant, protocol, task, data, synthetic,
        part, ...``, scores 0..1, rows that rank together one after the other, best first. Empty if nothing matches.

    Examples
    --------
    >>> import merbench as mb
    >>> rows = mb.compare(protocol="megc2019", leaderboard=True)
    >>> rows[(rows.part == "full") & (rows.method == "svm-flow")].set_index("data").uf1.round(4).to_dict()
    {'megc2019-flow28': 0.7182, 'megc2019-flow4x28': 0.7145}
    """
    name = None if protocol is None else argument_of(protocol)
    flags(published=published, leaderboard=leaderboard, sanity=sanity, older=older)
    named, on, place = words(methods, "methods", may_be_empty=True), maybe_text(data, "data"), folder(results)
    _, report, _ = compared(named, name, on, published, leaderboard, sanity, older, place, may_be_empty=True)
    return _rows(report)


def explain(
    one: str,
    two: str,
    protocol: Named | None = None,
    *,
    data: str | None = None,
    force: bool = False,
    leaderboard: bool = False,
    results: _Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Compare two rows as ``merbench explain``: differences are those of the first minus the second.

    Parameters
    ----------
    one, two : str
        Each a method, the name of a row, or a run's id.
    protocol, data, force, leaderboard, results : optional
        The options of ``merbench explain``.

    Returns
    -------
    dict
        Name -> data frame: ``parts`` (differences with intervals and p-values), ``classes``, ``subjects`` and ``clips``
        that changed, ``agreement`` (what the rows have in common: data, code, settings; ``agree`` is None where an
        imported row does not say).

    Examples
    --------
    >>> import merbench as mb
    >>> tables = mb.explain("svm-flow", "majority", "megc2019", leaderboard=True)
    >>> tables["parts"].set_index("part").uf1_difference.round(3)["full"]
    np.float64(0.477)
    """
    name = None if protocol is None else argument_of(protocol)
    flags(force=force, leaderboard=leaderboard)
    first, second = (text(given, which, "a method, a row or a run") for given, which in ((one, "one"), (two, "two")))
    found, problems = explained(first, second, name, maybe_text(data, "data"), force, leaderboard, folder(results))
    _warn(problems)
    record = found.record()
    return {table: pd.DataFrame(record[table]) for table in _EXPLAINED}


def score(predictions: pd.DataFrame | _Path, protocol: Named, *, data: _Path = "auto") -> pd.DataFrame:
    """Score predictions as ``merbench score`` does: UF1 and UAR from one confusion matrix of all clips.

    Parameters
    ----------
    predictions : pandas.DataFrame or path
        A log as ``merbench score`` reads it; or ``dataset, subject, clip, predicted``, a row per clip, under these or
        the other names that ``merbench score`` takes: classes by name, or by number in the protocol's order. Frames of
        ``mb.clips``, or ``folds.clips``, with the column added, are held against the classes of their data. Others are
        held against the official list, else against the registered data; only where there is neither, they need
        ``truth``. Other columns are ignored.
    protocol : str, path or what mb.protocol returns
        The protocol.
    data : str or path, optional
        The data that the clips are from, as for :func:`run`, such as ``synthetic-small``.

    Returns
    -------
    pandas.DataFrame
        A row per part (``full`` and each dataset): ``part, clips, classes_scored, uf1, uf1_low, uf1_high, uar, uar_low,
        uar_high, acc, compared_with``. Bounds are 95 % intervals over subjects; ``compared_with`` says what the
        classes were held against, None if against nothing. Missing and foreign clips are named in a warning.

    Raises
    ------
    MerbenchError
        A column is missing, a clip is listed twice, a class is unknown, no clip is one of the protocol, or predictions
        and truth are swapped.

    Examples
    --------
    >>> import merbench as mb
    >>> clips = mb.protocol("smic-hs-3").folds().clips
    >>> mb.score(clips.assign(predicted="negative"), "smic-hs-3")[["part", "clips", "uf1", "uar"]].round(3)
       part  clips    uf1    uar
    0  full    164  0.199  0.333
    """
    spec, name = find_protocol(protocol).spec, text(data, "data", "the name of a database or a folder")
    if isinstance(predictions, str | os.PathLike):
        path = text(predictions, "predictions", "a data frame, a log or a run")
        log = open_log(path, argument_of(protocol), results_folder(None), name).log
    else:
        log = _log_of_frame(predictions, spec, name)
    _warn(note.text for note in log_notes(log, spec) if note.kind != "note")
    records = [
        {"part": part.part, **figures_of(part), "compared_with": log.origin or None}
        for part in part_scores([log.predictions], spec.classes, spec.parts)
    ]
    return pd.DataFrame(records, columns=_SCORED)


def _log_of_frame(predictions: pd.DataFrame, spec: ProtocolSpec, data: str) -> Log:
    check_columns(predictions, (), "predictions")
    sources = copies_of(predictions) if data == "auto" else choose_data(data, [spec], synthetic=False).sources
    own = set(COPY) <= set(predictions.columns)  # a frame of clips, whose class may be that of another protocol
    table = predictions.drop(columns=["class"] if own else [], errors="ignore")
    return log_of_table(table, "predictions", spec, sources)


def _seeds(given: Any) -> str:
    if isinstance(given, str):
        return given
    try:
        seeds = [whole(seed, "seeds") for seed in many(given)]
    except MerbenchError:
        seeds = []
    if not seeds:
        raise MerbenchError(f"seeds must be whole numbers, or text such as '0-4', not {given!r}")
    return seeds_text(seeds)


def _rows(report: "Report") -> pd.DataFrame:
    """Return the rows of a comparison; its notes are issued as warnings."""
    _warn(note.text for note in report.notes if note.kind != "note")
    records = list(report.records or ())
    more = dict.fromkeys(name for record in records for name in record if name not in FIELDS)
    return pd.DataFrame(records, columns=[*FIELDS, *more])


def _warn(texts: Iterable[str]) -> None:
    """Issue warnings that name the line from which merbench was called."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals["__name__"] == __name__:
        frame, depth = frame.f_back, depth + 1
    for said in dict.fromkeys(texts):
        warnings.warn(said, stacklevel=depth)
