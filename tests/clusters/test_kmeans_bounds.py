"""The bounds skip rows whose cluster is known, and change no result; seeding draws by distance."""

import numpy as np
import pytest

from boda.clusters.bounds import Change, group_starts
from boda.clusters.lloyd import Solution, improve, in_groups, means
from boda.clusters.rows import Rows, spread
from boda.clusters.seeding import _drawn, seeds
from boda.clusters.team import alone as only_one


def there(features: np.ndarray):
    alone = only_one(len(features))
    return spread(Rows(features), alone, features.mean(axis=0)), alone


def plain(features: np.ndarray, centres: np.ndarray, passes: int) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm in float64, as in a textbook."""
    centres = centres.astype(np.float64)
    for _ in range(passes):
        labels = np.square(features[:, None] - centres).sum(axis=2).argmin(axis=1)
        centres = np.array([features[labels == one].mean(axis=0, dtype=np.float64) for one in range(len(centres))])
    return labels, centres


@pytest.mark.parametrize("k", [1, 2, 5, 33])
def test_bounds_change_no_pass(k):
    """The same labels and centres as the plain algorithm after as many passes, and most rows are read only once."""
    features = np.random.default_rng(k).normal(size=(3000, 10)).astype(np.float32)
    where, alone = there(features)
    solution = Solution(where, features[:k], means)
    start = solution.centres.copy()
    improve([solution], where, alone, tolerance=0)
    assert solution.fall == 0
    labels, centres = plain(features, start, solution.passes)
    np.testing.assert_array_equal(solution.labels, labels)
    np.testing.assert_allclose(solution.centres, centres, atol=1e-5)
    exact = np.square(features - centres[labels]).sum()
    assert solution.inertia == pytest.approx(exact, rel=1e-6)


def test_rows_that_are_far_from_a_border_are_not_read_again():
    """Of two clear groups no row is read after the second pass."""
    features = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    features[::2] += 50
    where, alone = there(features)
    solution = Solution(where, features[:2], means)
    read = []
    tighten = type(solution.bounds).tighten

    def watched(self, there, block, failed, step, change):
        read.append(len(failed))
        tighten(self, there, block, failed, step, change)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(solution.bounds), "tighten", watched)
        improve([solution], where, alone, tolerance=0)
    assert sum(read) == 2000
    assert solution.passes == 2


def test_a_cluster_that_lost_its_rows_gets_the_farthest():
    """A centre far from every row is empty at first, and is not in the end."""
    features = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    features[77] = 30
    where, alone = there(features)
    solution = Solution(where, np.array([[0, 0, 0], [1, 1, 1], [1e3, -1e3, 0]], np.float32), means)
    improve([solution], where, alone, tolerance=0)
    assert np.bincount(solution.labels, minlength=3).min() > 0
    assert np.bincount(solution.labels)[solution.labels[77]] == 1


def test_sums_follow_the_rows():
    """Rows that leave one cluster for another take their values with them."""
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    change = Change(3, 3)
    change.move(rows, np.full(4, -1, np.int32), np.array([0, 1, 1, 2], np.int32))
    change.flush()
    np.testing.assert_array_equal(change.sums, [rows[0], rows[1] + rows[2], rows[3]])
    change.move(rows[1:3], np.array([1, 1], np.int32), np.array([2, 0], np.int32))
    change.flush()
    np.testing.assert_array_equal(change.sums, [rows[0] + rows[2], 0 * rows[0], rows[1] + rows[3]])
    assert change.counts.tolist() == [2, 0, 2]
    assert change.rows == 6


def test_groups_are_near_centres_side_by_side():
    """Every centre is in one group, and centres on a line stay in its order."""
    line = np.random.default_rng(0).permutation(40)[:, None].astype(np.float32)
    order = in_groups(line)
    assert sorted(order.tolist()) == list(range(40))
    steps = np.abs(np.diff(line[order, 0]))
    assert np.median(steps) == 1
    assert len(group_starts(100)) <= 16
    assert group_starts(5).tolist() == [0, 1, 2, 3, 4]


def test_centres_are_drawn_in_proportion_to_squared_distance():
    """Rows at distance zero never, others as often as they should be."""
    nearest = np.array([0, 1, 0, 3, 0], np.float32)
    drawn = _drawn(nearest, 40_000, np.random.default_rng(0))
    share = np.bincount(drawn, minlength=5) / 40_000
    np.testing.assert_allclose(share, [0, 0.25, 0, 0.75, 0], atol=0.01)
    assert set(_drawn(np.zeros(5, np.float32), 500, np.random.default_rng(0)).tolist()) == set(range(5))


def test_seeds_are_different_rows_far_apart():
    """One in each of ten far groups, whatever the seed."""
    rng = np.random.default_rng(1)
    features = (rng.normal(size=(500, 6)) + 1000 * np.repeat(np.eye(10, 6) + np.arange(10)[:, None], 50, 0)).astype(
        "f4"
    )
    where, _ = there(features)
    for seed in range(5):
        chosen = seeds(where, 10, np.random.default_rng(seed))
        rows = [int(np.flatnonzero((features == one).all(axis=1))[0]) for one in chosen]
        assert sorted(row // 50 for row in rows) == list(range(10))
