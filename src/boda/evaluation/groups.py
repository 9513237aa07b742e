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
    n = lengths.pop()
    rows, nodes, free = [], [], n  # rows are nodes 0 to n - 1, groups are the nodes after
    for grouping in groupings:
        known, codes = _codes(grouping)
        rows.append(known)
        nodes.append(codes + free)
        free += int(codes.max(initial=-1)) + 1
    return _connected(np.concatenate(rows), np.concatenate(nodes), n)


def sharing(parts: Sequence[Sequence[Any]]) -> npt.NDArray[np.int64]:
    """The finest grouping that keeps rows together which have a part in common.

    Args:
        parts: (n,) of each row all its parts; one that is missing (None, NaN or "") is shared with nobody.

    Returns:
        (n,) numbers 0, 1, ... in the order of their first row.

    >>> sharing([["a.jpg", "b.jpg"], ["c.jpg"], ["b.jpg"]])
    array([0, 1, 0])
    """
    numbers: dict[Any, int] = {}
    pairs = [
        (row, len(parts) + numbers.setdefault(part, len(numbers)))
        for row, of_row in enumerate(parts)
        for part in of_row
        if not _missing(part)
    ]
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    return _connected(edges[:, 0], edges[:, 1], len(parts))


def _connected(rows: npt.NDArray[np.int64], nodes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """(n,) groups of rows 0 to n - 1 that are joined by nodes n, n + 1, ..."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = max(n, int(nodes.max(initial=-1)) + 1)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, nodes)), shape=(size, size))
    return numbered(connected_components(graph, directed=False)[1][:n])


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
