"""Tables of a comparison of runs: agreement and differences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from local_crystallography.studies.comparison import Agreement, Comparison, Correlation, Pair
from local_crystallography.views.axis import values_of

Floats = npt.NDArray[np.float64]


def scores(comparison: Comparison) -> Floats:
    """(R, R) adjusted Rand index, or correlation, of every pair of runs; 1 on the diagonal."""
    matrix = np.eye(len(comparison.names))
    for pair in comparison.pairs:
        matrix[pair.runs] = matrix[pair.runs[::-1]] = _score(pair)
    return matrix


def pairs_table(comparison: Comparison) -> pd.DataFrame:
    """One row per pair of runs: common atoms, scores of the column, correlations and offsets of other columns."""
    return pd.DataFrame([_row(comparison.column, pair) for pair in comparison.pairs])


def differences_table(comparison: Comparison) -> pd.DataFrame:
    """One row per pair and common atom: ids, position in the first run, values, and `differ` or `difference`."""
    tables = [_differences(comparison, pair) for pair in comparison.pairs]
    return pd.concat(tables, ignore_index=True)


def _score(pair: Pair) -> float:
    return pair.found.adjusted_rand if isinstance(pair.found, Agreement) else pair.found.value


def _row(column: str, pair: Pair) -> dict[str, object]:
    found = pair.found
    row: dict[str, object] = {"first": pair.names[0], "second": pair.names[1]}
    row |= {"common": len(pair.rows), "share": pair.share}
    if isinstance(found, Agreement):
        scored = {"adjusted_rand": found.adjusted_rand, "rand": found.rand, "same": found.same}
        row |= {**scored, "differ": int(found.differ.sum())}
    correlations = pair.beside | ({column: found} if isinstance(found, Correlation) else {})
    for name, each in correlations.items():
        row |= {f"{name}_correlation": each.value, f"{name}_offset": each.offset}
    return row


def _differences(comparison: Comparison, pair: Pair) -> pd.DataFrame:
    found, yx = pair.found, comparison.yx(pair)
    first, second = (comparison.atoms[name][rows] for name, rows in zip(pair.names, pair.rows.T, strict=True))
    difference = {"differ": found.differ} if isinstance(found, Agreement) else {"difference": found.difference}
    position = {"frame": first.frame, "y_px": yx[:, 0], "x_px": yx[:, 1]}
    ids = {"first": pair.names[0], "second": pair.names[1], "id_first": first.ids, "id_second": second.ids}
    values = {
        f"{comparison.column}_{which}": values_of(each.features, comparison.column)
        for which, each in (("first", first), ("second", second))
    }
    return pd.DataFrame(ids | position | values | difference)
