"""Runs and scores as data frames."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
import typer
from rich.console import Console

from merbench.analysis.rows import FIELDS, figures_of
from merbench.api.data import check_columns, copies_of
from merbench.api.protocols import Protocol
from merbench.api.protocols import protocol as find_protocol
from merbench.cli.asked import RunOptions, seeds_text
from merbench.cli.compare import compared
from merbench.cli.explain import explained
from merbench.cli.run import carried_out, runs_report
from merbench.contracts.clips import IDENTITY
from merbench.contracts.yamlfiles import settings_text
from merbench.engine.logs import log_of_table
from merbench.report.views.score import log_notes
from merbench.scoring.table import part_scores

if TYPE_CHECKING:
    from merbench.engine.plan.runs import RunPlan
    from merbench.report.table import Report

_Path: TypeAlias = str | os.PathLike[str]
_Named: TypeAlias = str | os.PathLike[str] | Protocol
#: The columns of scores.
_SCORED = [
    "part", "clips", "classes_scored", "uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc",
    "compared_with",
]  # fmt: skip
#: The tables of an explanation.
_EXPLAINED = ("parts", "classes", "subjects", "clips", "agreement")


def run(
    methods: str | Sequence[str],
    protocol: _Named | Sequence[_Named],
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
    workers: int | None = None,
    gpus: int | None = None,
    folds_per_gpu: int | Literal["auto"] | None = None,
    pack: int | None = None,
    executor: Literal["serial", "ray"] | None = None,
    ray_address: str | None = None,
    tracking_uri: str | None = None,
    results: _Path | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Train and test methods on every fold, as ``merbench run``: recorded folds are kept, missing ones are run.

    Parameters
    ----------
    methods, protocol : str or sequence
        Names; a protocol may be a path ending in ``.yaml``, or what ``mb.protocol`` returns.
    config : str or mapping, optional
        A configuration for all methods, or method -> configuration.
    settings : mapping, optional
        ``--set``: ``{"epochs": 20}`` for all methods, ``{"ststnet:epochs": 20}`` for one.
    seeds : int, str or iterable of int
        ``range(3)``, or as in ``--seeds``: ``"0-2"``.
    quiet : bool
        Print no progress; else it goes to standard error.
    data, select, folds, keep_epochs, diagnose, sanity, existing, workers, gpus, folds_per_gpu, pack, executor, \
ray_address, tracking_uri, results
        The options of ``merbench run``, see ``merbench run --help``.

    Returns
    -------
    pandas.DataFrame
        The rows of these runs, as :func:`compare` returns them; a row with failed folds has the ``status`` failed.

    Raises
    ------
    MerbenchError
        What the command line refuses, with its line.

    Examples
    --------
    >>> import merbench as mb
    >>> rows = mb.run("majority", "megc2019", data="synthetic-small", quiet=True)
    >>> rows[["method", "part", "clips", "uf1"]].round(3).head(2)
         method     part  clips    uf1
    0  majority     full    100  0.210
    1  majority  smic-hs     33  0.199
    """
    named = [protocol] if isinstance(protocol, str | os.PathLike | Protocol) else list(protocol)
    configs = [f"{key}:{value}" for key, value in config.items()] if isinstance(config, Mapping) else [config]
    options = RunOptions(
        methods=[methods] if isinstance(methods, str) else list(methods),
        protocol=[_argument(each) for each in named],
        data=os.fspath(data),
        config=[each for each in configs if each is not None],
        settings=[settings_text({name: value}) for name, value in (settings or {}).items()],
        seeds=str(seeds) if isinstance(seeds, int | str) else seeds_text([int(seed) for seed in seeds]),
        select=select,
        folds=[folds] if isinstance(folds, str) else list(folds),
        keep_epochs=keep_epochs,
        diagnose=diagnose,
        sanity=sanity,
        existing=existing,
        workers=workers,
        gpus=gpus,
        folds_per_gpu=None if folds_per_gpu is None else str(folds_per_gpu),
        pack=pack,
        executor=executor,
        ray_address=ray_address,
        tracking_uri=tracking_uri,
        results=_folder(results),
    )
    reports: list[Report] = []

    def keep(plans: "list[RunPlan]") -> None:
        reports.append(runs_report(plans, options.runs))

    with suppress(typer.Exit):  # folds failed: they are printed, and their rows say so
        carried_out(options, Console(stderr=True, highlight=False, quiet=quiet), keep)
    return _rows(reports[0])


def compare(
    methods: str | Sequence[str] = (),
    protocol: _Named | None = None,
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
    >>> rows[(rows.part == "full") & (rows.method == "svm-flow")].uf1.round(4).tolist()
    [0.7182]
    """
    asked = [methods] if isinstance(methods, str) else list(methods)
    name = None if protocol is None else _argument(protocol)
    _, report = compared(asked, name, data, published, leaderboard, sanity, older, _folder(results), may_be_empty=True)
    return _rows(report)


def explain(
    one: str,
    two: str,
    protocol: _Named | None = None,
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
        that changed, ``agreement`` (what the rows have in common: data, code, settings).

    Examples
    --------
    >>> import merbench as mb
    >>> tables = mb.explain("svm-flow", "majority", "megc2019", leaderboard=True)
    >>> tables["parts"].set_index("part").uf1_difference.round(3)["full"]
    np.float64(0.477)
    """
    name = None if protocol is None else _argument(protocol)
    found, problems = explained(one, two, name, data, force, leaderboard, _folder(results))
    _warn(problems)
    record = found.record()
    return {table: pd.DataFrame(record[table]) for table in _EXPLAINED}


def score(predictions: pd.DataFrame, protocol: _Named) -> pd.DataFrame:
    """Score predictions as ``merbench score`` does: UF1 and UAR from one confusion matrix of all clips.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``dataset, subject, clip, predicted``, a row per clip: classes by name, or by number in the protocol's order.
        Frames of ``mb.clips``, or ``folds.clips``, with the column added, are held against the classes of their data.
        Others are held against the official list, else against the registered data; only where there is neither, they
        need ``truth``. Other columns are ignored.
    protocol : str, path or Protocol
        The protocol.

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
    check_columns(predictions, (), "predictions")
    spec = find_protocol(protocol).spec
    wanted = [name for name in predictions.columns if name in (*IDENTITY, "truth", "predicted")]
    log = log_of_table(predictions[wanted], "predictions", spec, copies_of(predictions))
    _warn(note.text for note in log_notes(log, spec) if note.kind != "note")
    records = [
        {"part": part.part, **figures_of(part), "compared_with": log.origin or None}
        for part in part_scores([log.predictions], spec.classes, spec.parts)
    ]
    return pd.DataFrame(records, columns=_SCORED)


def _argument(named: _Named) -> str:
    return named.spec.known_as if isinstance(named, Protocol) else os.fspath(named)


def _folder(results: _Path | None) -> Path | None:
    return None if results is None else Path(results)


def _rows(report: "Report") -> pd.DataFrame:
    """Return the rows of a comparison; its notes are issued as warnings."""
    _warn(note.text for note in report.notes if note.kind != "note")
    records = list(report.records or ())
    more = dict.fromkeys(name for record in records for name in record if name not in FIELDS)
    return pd.DataFrame(records, columns=[*FIELDS, *more])


def _warn(texts: Iterable[str]) -> None:
    for text in dict.fromkeys(texts):
        warnings.warn(text, stacklevel=4)
