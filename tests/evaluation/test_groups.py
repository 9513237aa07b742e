"""Groupings join as a graph does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.evaluation.groups import join, sharing

columns = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 8)), min_size=width, max_size=width), max_size=25
    )
)


@given(columns)
def test_joined_groups_are_connected_components(rows):
    """Two rows are together exactly where a path of shared values leads from one to the other."""
    groupings = list(zip(*rows, strict=True)) or [()]
    together = np.eye(len(rows), dtype=bool)
    for one, two in np.ndindex(together.shape):
        together[one, two] |= any(
            grouping[one] is not None and grouping[one] == grouping[two] for grouping in groupings
        )
    for _ in rows:
        together = together @ together
    joined = join(*groupings)
    np.testing.assert_array_equal(joined[:, None] == joined, together)


def test_missing_values_are_groups_of_their_own():
    """None, NaN and the empty name keep nothing together."""
    assert join([None, "", float("nan"), "", "a", "a"]).tolist() == [0, 1, 2, 3, 4, 4]
    assert join(np.array([np.nan, np.nan, 1.0])).tolist() == [0, 1, 2]


def test_numbers_and_names_join():
    """Arrays of any type may be mixed; groups are numbered by their first row."""
    assert join(np.array([7, 7, 3]), np.array(["x", "y", "y"])).tolist() == [0, 0, 0]
    assert join(np.array([9, 1, 9])).tolist() == [0, 1, 0]


@pytest.mark.parametrize("groupings", [(), ([1], [1, 2])])
def test_groupings_that_do_not_fit_are_refused(groupings):
    """None at all, or different lengths."""
    with pytest.raises(Refused, match="equally many rows"):
        join(*groupings)


def test_rows_that_share_a_part_are_together():
    """At whatever place it stands, and by way of a third row; what is missing is shared with nobody."""
    assert sharing([["a", "b"], ["c", None], ["d", "a"], ["e", "d"], [None]]).tolist() == [0, 1, 0, 0, 2]
    assert sharing([]).tolist() == []
