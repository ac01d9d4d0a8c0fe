"""Protocols, and their folds as a splitter of scikit-learn."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.api.arguments import check_columns, flags, whole
from merbench.api.data import copies_of
from merbench.contracts.clips import CLIP_COLUMNS, IDENTITY, clip_table
from merbench.contracts.databases import Source, persons, same_people
from merbench.contracts.errors import MerbenchError, listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases import DATABASES
from merbench.databases.registrations import registered
from merbench.engine.fold.listing import fold_table
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.catalogue import protocol as find_protocol
from merbench.splits.split import Split, listed_split, make_split
from merbench.synthetic.database import SMALL

Positions = npt.NDArray[np.intp]


def protocol(name: "Named") -> "_Protocol":
    """Find a protocol by its registered name, make it from a pattern, or read it from a path that ends in ``.yaml``.

    Raises
    ------
    MerbenchError
        No protocol has this name, or its file is invalid.

    Examples
    --------
    >>> import merbench as mb
    >>> protocol = mb.protocol("megc2019")
    >>> protocol.classes
    ('negative', 'positive', 'surprise')
    >>> folds = protocol.folds()  # of the official list
    >>> len(folds), len(folds.clips)
    (68, 442)
    """
    return name if isinstance(name, _Protocol) else _Protocol(find_protocol(argument_of(name)))


@dataclass(frozen=True, repr=False)
class _Protocol:
    """A protocol; `spec` is its specification, the content of its file."""

    spec: ProtocolSpec

    def __repr__(self) -> str:
        return f"<protocol {self.name}: {', '.join(self.classes)} on {', '.join(self.spec.datasets)}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that methods predict, in the order of label numbers; for AU detection the action units."""
        return self.spec.outputs

    def official(self) -> pd.DataFrame | None:
        """Return the organisers' list, ``dataset, subject, clip, class``; None where the protocol has none."""
        return self.spec.official()

    def folds(self, clips: pd.DataFrame | None = None) -> "_Folds":
        """Apply the protocol to clips: which of them count, their labels, and who is tested when.

        Parameters
        ----------
        clips : pandas.DataFrame, optional
            Rows of ``mb.clips``, in any order; by default the clips of the official list, which have no files.
            Real clips must be those of the official list, or have the expected counts.

        Raises
        ------
        MerbenchError
            A column is missing, a clip is listed twice or unknown, or the clips are not those of the protocol.
        """
        spec = self.spec
        if clips is None:
            split = listed_split(spec, same_people(()))
            if split is None:
                raise MerbenchError(f"protocol {spec.name} has no official list: {_clips_of(spec)}")
            return _Folds(self, split.clips[IDENTITY], split, ())
        check_columns(clips, (*IDENTITY, *_needed(spec)), "clips")
        table = clip_table(clips[[name for name in CLIP_COLUMNS if name in clips.columns]], "clips")
        sources = copies_of(clips)
        synthetic = any(source.database.card.synthetic for source in sources)
        return _Folds(self, clips, make_split(spec, table, synthetic, same_people(sources)), sources)


def _clips_of(spec: ProtocolSpec) -> str:
    """Say where the clips of a protocol without an official list can come from."""
    cards = [database.card for database in DATABASES.load_all()[0].values()]
    frames = [card for card in cards if card.offers is None and not card.synthetic]
    names = {dataset: card.name for card in reversed(frames) for dataset in card.datasets}
    unread = [dataset for dataset in spec.datasets if dataset not in names]
    copy = "+".join(sorted({names[dataset] for dataset in spec.datasets if dataset in names}))
    path = "" if "+" in copy or copy in registered() else ", PATH"
    step = f"no reader for {listed(unread)} yet" if unread else f"give its clips, as in folds(mb.clips({copy!r}{path}))"
    made = set(spec.datasets) <= set(DATABASES.get(SMALL).card.datasets)
    instead = [f"synthetic clips, folds(mb.clips({SMALL!r}))"] if made else []
    known = sorted(name for name, each in PROTOCOLS.load_all()[0].items() if each.official_list is not None)
    return f"{step}; without a copy, use {' or '.join([*instead, f'a protocol with a list ({listed(known)})'])}"


def _needed(spec: ProtocolSpec) -> list[str]:
    """Return the columns that decide about selection and class of a clip."""
    by = spec.labels if spec.task == "classification" else "aus"
    excluding = {
        "emotion": any(entry.emotions for entry in spec.left_out),
        "objective_class": any(entry.objective_classes for entry in spec.left_out),
    }
    return [by, *(name for name, used in excluding.items() if used and name != by)]


#: A protocol as functions take it: its name, a path ending in ``.yaml``, or what :func:`protocol` returns.
Named: TypeAlias = str | os.PathLike[str] | _Protocol


def argument_of(named: Named) -> str:
    """Return the argument of ``--protocol``."""
    if isinstance(named, _Protocol):
        return named.spec.known_as
    if not isinstance(named, str | os.PathLike) or not os.fspath(named):
        raise MerbenchError(f"protocol must be a name, a path or what mb.protocol returns, not {type(named).__name__}")
    return os.fspath(named)


class _Folds:
    """The folds of a protocol on some clips: a splitter for scikit-learn (``cv=folds``), and a sequence of its folds.

    Train and test are positions in `clips`, so that arrays are made of these: ``X = mb.inputs(folds.clips, flow={})``,
    ``y = folds.labels``.

    Attributes
    ----------
    protocol
        What ``mb.protocol`` returned.
    clips : pandas.DataFrame
        The clips that the protocol uses, in the order given, with their ``class``; the index is the position.
    labels : numpy.ndarray
        The class of each clip, by name, shape (n_clips,); for AU detection 1 shown, 0 not, NaN where it is open, shape
        (n_clips, n_units).
    groups : numpy.ndarray
        The person of each clip, shape (n_clips,): the same in databases that share people.
    excluded : pandas.DataFrame
        The other clips given.
    names : tuple of str
        The folds, in the order of iteration, named after what they hold out.

    Examples
    --------
    >>> import merbench as mb
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.model_selection import cross_val_predict
    >>> folds = mb.protocol("smic-hs-3").folds()
    >>> X = [[0]] * len(folds.clips)
    >>> predicted = cross_val_predict(DummyClassifier(), X, folds.labels, cv=folds)
    >>> mb.score(folds.clips.assign(predicted=predicted), "smic-hs-3").uf1.round(3).tolist()
    [0.199]
    """

    def __init__(self, protocol: _Protocol, given: pd.DataFrame, split: Split, sources: Sequence[Source]) -> None:
        self._split, self._sources = split, tuple(sources)
        given = given.reset_index(drop=True)
        places = pd.MultiIndex.from_frame(given[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(split.clips[IDENTITY]))
        used = np.sort(places)
        #: Of each clip of the split, in its order, the position in `clips`; and the other way round.
        self._position, self._row = np.searchsorted(used, places), np.argsort(places)
        self.protocol = protocol
        self.clips = given.loc[used].reset_index(drop=True).assign(**{"class": split.named_labels()[self._row]})
        labels = split.named_labels() if split.problem.task == "classification" else split.labels
        self.labels: npt.NDArray[Any] = labels[self._row]
        self.groups: npt.NDArray[Any] = persons(self.clips, same_people(sources))
        self.excluded = given[~np.isin(given.index, used)].reset_index(drop=True)
        self.names = tuple(fold.name for fold in split.folds)

    def __repr__(self) -> str:
        return f"<{len(self)} folds of {self.protocol.name}, {len(self.clips)} clips>"

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:  # noqa: N803
        """Yield the positions of the training and the test clips of each fold; `y` and `groups` are ignored.

        MerbenchError if `X` is given and does not have a row for each of `clips`.
        """
        rows = len(self.clips) if X is None else _rows(X)
        if rows != len(self.clips):
            excluded = f", {len(self.excluded)} excluded" if len(self.excluded) else ""
            raise MerbenchError(
                f"X has {rows} rows, but protocol {self.protocol.name} uses {len(self.clips)} clips{excluded}: make X "
                "of folds.clips"
            )
        for fold in self._split.folds:
            yield np.sort(self._position[fold.train]), np.sort(self._position[fold.test])

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """Return the number of folds."""
        return len(self)

    def __iter__(self) -> Iterator[tuple[Positions, Positions]]:
        return self.split()

    def __len__(self) -> int:
        return len(self.names)

    def table(self, inner: bool = False, seed: int = 0) -> pd.DataFrame:
        """Return the table of ``merbench folds``: a row per fold and clip, with its role, class and files.

        With `inner`, the training clips of the people that runs of `seed` hold out within the fold have the role
        ``validation``.
        """
        flags(inner=inner)
        return fold_table(self._split, self._sources, whole(seed, "seed") if inner else None)


def _rows(values: Any) -> int:
    shape = getattr(values, "shape", None)
    try:
        return int(shape[0]) if shape else len(values)
    except TypeError:
        raise MerbenchError(f"X must have a row for each clip, found {type(values).__name__}") from None
