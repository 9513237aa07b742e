"""Groups: which rows belong together, from several opinions at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused


def join(*groupings: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The finest grouping that keeps together what any of them keeps together.

    Args:
        groupings: each (n,) of names or numbers. A row whose value is missing (None, NaN or "") is kept together with
            no other row by that grouping.

    Returns:
        (n,) numbers 0, 1, ... in the order of their first row.

    Raises:
        Refused: no grouping, or groupings of different lengths.

    >>> join(["a", "a", "b", None, None], [1, 2, 2, 3, 4])
    array([0, 0, 0, 1, 2])
    """
    lengths = {len(grouping) for grouping in groupings}
    if len(lengths) != 1:
        raise Refused(f"groupings must have equally many rows, but have {sorted(lengths) or 'none'}")
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = lengths.pop()
    rows, nodes, free = [], [], n  # rows are nodes 0 to n - 1, groups are the nodes after
    for grouping in groupings:
        known, codes = _codes(grouping)
        rows.append(known)
        nodes.append(codes + free)
        free += int(codes.max(initial=-1)) + 1
    edges = np.concatenate(rows), np.concatenate(nodes)
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(free, free))
    labels = connected_components(graph, directed=False)[1][:n]
    return numbered(labels)


def numbered(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(n,) the same groups as 0, 1, ... in the order of their first row."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    numbers: npt.NDArray[np.int64] = order[place]
    return numbers


def _codes(grouping: Sequence[Any] | npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows whose group is known, and its number."""
    if isinstance(grouping, np.ndarray) and grouping.dtype.kind in "iub":
        return np.arange(len(grouping)), np.unique(grouping, return_inverse=True)[1].astype(np.int64)
    numbers: dict[Any, int] = {}
    known = [row for row, value in enumerate(grouping) if not _missing(value)]
    codes = [numbers.setdefault(grouping[row], len(numbers)) for row in known]
    return np.array(known, np.int64), np.array(codes, np.int64)


def _missing(value: Any) -> bool:
    return value is None or value == "" or bool(value != value)  # noqa: PLR0124 (NaN is not itself)
