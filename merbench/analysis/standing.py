"""How the rows of one table stand to each other: paired differences, their significance, ranks, and hard clips."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.analysis.rows import Row
from merbench.contracts.clips import IDENTITY
from merbench.scoring.intervals import Interval, interval_of, resampled, tail
from merbench.scoring.metrics import Counts, unweighted_f1
from merbench.scoring.permutation import MOST_ROWS, SIGNIFICANT, holm, permutation_tests
from merbench.scoring.table import subject_confusions

Values = npt.NDArray[np.float64]


class Standing:
    """Rows of classification that rank together, best first, complete and over the same clips.

    UF1 of each row is averaged over its seeds, also in each of the draws of subjects, which are the same for all rows:
    intervals and ranks are conditional on the trained models. The p-values are those of ``compare``, adjusted over all
    pairs (Holm); there are none beyond so many rows as it tests.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        self.parts = rows[0].parts
        self.classes = list(rows[0].runs[0].file.outputs)
        self._tables = [[run.predictions for run in row.runs] for row in rows]
        self._counts, self._sizes = [], {}
        for tables in self._tables:
            counts, datasets = subject_confusions(tables, self.classes)
            of = np.array(datasets, dtype=object)
            self._sizes = {
                part: tuple(Counter(of[(of == part) | (part == "full")].tolist()).values()) for part in self.parts
            }
            self._counts.append({part: counts[:, (of == part) | (part == "full")] for part in self.parts})
        self._draws = [
            {part: resampled(counts[part], self._sizes[part], unweighted_f1) for part in self.parts}
            for counts in self._counts
        ]
        self.p = self._adjusted()

    def _adjusted(self) -> Values | None:
        if not 1 < len(self.rows) <= MOST_ROWS:
            return None
        stacked: Counts = np.stack([counts["full"].mean(axis=0) for counts in self._counts])
        p = permutation_tests(stacked, unweighted_f1)
        first, second = np.triu_indices(len(p), k=1)
        adjusted = np.ones_like(p)
        adjusted[first, second] = adjusted[second, first] = holm(p[first, second])
        return adjusted

    def separated(self, one: int, two: int) -> bool:
        """Whether two rows differ significantly in UF1 on all clips."""
        return self.p is not None and bool(self.p[one, two] < SIGNIFICANT)

    def difference(self, one: int, two: int, part: str = "full") -> tuple[float, Interval]:
        """Return UF1 of a row minus that of another, and the 95 % interval of the difference."""
        value = self.uf1(one, part) - self.uf1(two, part)
        return value, interval_of(self._draws[one][part] - self._draws[two][part], self._sizes[part])

    def uf1(self, row: int, part: str = "full") -> float:
        """Return UF1 of a row on a part, the mean over its seeds; NaN where the part has no clip."""
        return float(unweighted_f1(self._counts[row][part].sum(axis=1)).mean())

    @cached_property
    def ranks(self) -> list[tuple[int, int, float]]:
        """Return of each row the 95 % interval of its rank, and the probability of being first.

        Both over draws of subjects: in each, rows are ranked by UF1, and rows that are first together share it.
        """
        draws = np.stack([each["full"] for each in self._draws])
        rank = 1 + (draws[None] > draws[:, None] + 1e-12).sum(axis=1)
        leads = rank == 1
        low = tail(self._sizes["full"]) if max(self._sizes["full"]) > 1 else 0.025
        ends = np.quantile(rank, [low, 1 - low], axis=1)
        first = (leads / leads.sum(axis=0)).mean(axis=1)
        return [(math.floor(ends[0, row]), math.ceil(ends[1, row]), float(first[row])) for row in range(len(self.rows))]

    @cached_property
    def hard_clips(self) -> pd.DataFrame:
        """Return ``dataset, subject, clip, truth, wrong``: in how many rows most seeds are wrong, most first."""
        shares = []
        for tables in self._tables:
            every = pd.concat([table[[*IDENTITY, "truth", "predicted"]] for table in tables], ignore_index=True)
            every["wrong"] = every.truth != every.predicted
            shares.append(every.groupby([*IDENTITY, "truth"]).wrong.mean() > 0.5)
        counted = pd.concat(shares, axis=1).sum(axis=1).rename("wrong").reset_index()
        return counted.sort_values(["wrong", *IDENTITY], ascending=[False, True, True, True], ignore_index=True)
