"""Groups that are there are found again and named; in one cloud, however long, none are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from boda.clusters.methods import fit
from boda.clusters.repeated import Repeated, Spread, Stability
from boda.clusters.stability import Effort, Sweep, sweep
from boda.clusters.supported import SHARE, supported
from boda.errors import Refused

SHORT = Effort(halves=4, nulls=2, restarts=2)
LONGER = Effort(halves=8, nulls=4, restarts=1)
"""For what is decided by how far two figures are apart."""
ONCE = Effort(halves=1, nulls=1, restarts=1)


def swept(features: np.ndarray, ks: tuple[int, ...], *, seed: int = 0, effort: Effort = SHORT) -> Sweep:
    rng = np.random.default_rng(seed)
    features = features.astype(np.float32)
    labels = {k: fit(features, "kmeans", k, rng=rng, restarts=2).partition.labels for k in ks}
    return sweep(features, "kmeans", labels, rng=rng, effort=effort)


def groups(rng: np.random.Generator, k: int, *, n: int = 240, noise: int = 0) -> np.ndarray:
    """k groups of width 1 at corners 6 apart, and rows anywhere around them."""
    centres = 6 * np.eye(k, 6)
    rows = centres[rng.integers(k, size=n)] + rng.normal(size=(n, 6))
    return np.concatenate([rows, rng.uniform(-4, 10, size=(noise, 6))])


@pytest.mark.parametrize(("k", "seed"), [(3, 0), (5, 2)])
def test_planted_groups_are_named(k, seed):
    """With a twentieth of rows that are in none, and not one group more or less."""
    found = swept(groups(np.random.default_rng(seed), k, noise=12), (k - 1, k, k + 1), seed=seed)
    assert found.verdict.k == k, found.verdict
    assert str(k) in found.verdict.words
    assert set(found.verdict.against) == {k - 1, k + 1}
    at = next(one for one in found.stabilities if one.k == k)
    assert min(cluster.mean for cluster in at.found.clusters) > 0.8


CLOUDS = {
    "cube": lambda rng: rng.random((240, 2)),
    "long": lambda rng: (rng.normal(size=(240, 3)) * [8, 1, 1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0],
    "skewed": lambda rng: np.exp(rng.normal(size=(240, 4)) / 2 + rng.normal(size=(240, 1))),
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_one_cloud_supports_no_number_of_groups(cloud):
    """Not even a long one, whose two halves are found again every time: so they are where nothing is."""
    found = swept(CLOUDS[cloud](np.random.default_rng(3)), (2, 3), effort=LONGER)
    assert found.verdict.k is None, found.verdict
    assert "none" in found.verdict.words
    assert set(found.verdict.against) == {2, 3}


def test_shuffled_columns_alone_would_be_fooled_by_a_long_cloud():
    """Why there is a second null: cut across, a cloud of many correlated columns is stable, and shuffled it is not."""
    rng = np.random.default_rng(0)
    cloud = 2 * rng.normal(size=(400, 1)) + rng.normal(size=(400, 12))
    found = swept(cloud, (2,), effort=LONGER)
    (at,) = found.stabilities
    null = at.nulls["shuffled"].halves
    assert at.found.halves.low > null.high and 1 - at.found.halves.mean < SHARE * (1 - null.mean)
    assert found.verdict.k is None


@pytest.mark.parametrize("method", ["hdbscan", "agglomerative"])
def test_methods_without_chance_have_halves_only(method):
    """Other seeds would say nothing; groups are found in halves all the same, and none in shuffled columns."""
    rng = np.random.default_rng(0)
    features = groups(rng, 3, n=240).astype(np.float32)
    asked = 3 if method == "agglomerative" else None
    labels = fit(features, method, asked, rng=rng).partition.labels
    found = sweep(features, method, {asked: labels}, rng=rng, effort=Effort(halves=4, nulls=2))
    (at,) = found.stabilities
    assert at.found.seeds is None
    assert at.found.halves.mean > 0.8
    assert found.verdict.k == 3


def test_a_k_that_halves_are_too_small_for_is_left_out():
    """With the reason; the others stay."""
    features = np.random.default_rng(0).normal(size=(14, 2))
    found = swept(features, (2, 9), effort=ONCE)
    assert [one.k for one in found.stabilities] == [2]
    assert "too few" in found.left_out[9]


def test_a_k_that_features_without_groups_cannot_have_is_left_out():
    """Of rows with one number each, shuffled columns make rows of zeros, which have no direction: it is said."""
    rng = np.random.default_rng(0)
    features = (np.repeat(np.eye(4), 20, axis=0) * rng.uniform(1, 2, size=(80, 1))).astype(np.float32)
    labels = fit(features, "spherical", 4, rng=rng).partition.labels
    found = sweep(features, "spherical", {4: labels}, rng=rng, effort=ONCE)
    assert (found.stabilities, found.verdict.k) == ((), None)
    assert "features without groups cannot be clustered to compare with: row" in found.left_out[4]


def test_clusterings_that_found_fewer_than_asked_for_keep_their_own_figures():
    """A mixture of 4 ends with 3 groups where there are 3: each has the nulls of what was asked for, one is named."""
    rng = np.random.default_rng(0)
    near = rng.normal(scale=1e-3, size=(300, 8)) * (rng.random((300, 1)) < 0.3)
    features = (6 * np.eye(3, 8)[np.arange(300) % 3] + near).astype(np.float32)  # many of them copies
    labels = {k: fit(features, "gmm", k, rng=rng, restarts=2).partition.labels for k in (3, 4, 6)}
    found = sweep(features, "gmm", labels, rng=rng, effort=SHORT)
    assert [(one.asked, one.k) for one in found.stabilities] == [(3, 3), (4, 3)]
    assert len({one.nulls["shuffled"].halves.mean for one in found.stabilities}) == 2
    assert set(found.left_out) == {6}
    assert found.verdict.k == 3 and len(found.verdict.against.keys() & {3, 4}) == 1


def test_of_two_with_as_many_clusters_one_is_named():
    """Both could be; the other says what it is."""
    one = told(3, 0.95, 0.1)
    verdict = supported([one, replace(one, asked=6)])
    assert verdict.k == 3 and verdict.against == {6: "as many as are found where 3 are asked for"}


def test_the_null_that_speaks_more_against_it_is_named():
    """Where neither is beaten, the one whose halves agree better."""
    one = told(3, 0.6, 0.5)
    high = replace(one.nulls["correlated"], halves=Spread(0.55, 0.5, 0.7, 10))
    verdict = supported([replace(one, nulls=one.nulls | {"correlated": high})])
    assert "keep their correlations) by 0.55" in verdict.against[3] and "at most a quarter" in verdict.against[3]


def test_copies_make_no_groups():
    """Of a cloud of 30 images, each there ten times, both halves would have all of it, and agree on any cut."""
    cloud = np.random.default_rng(4).normal(size=(30, 6))
    copied = swept(np.repeat(cloud, 10, axis=0), (2, 3), effort=LONGER)
    assert copied.verdict.k is None, copied.verdict
    assert {one.rows for one in copied.stabilities} == {30}


def test_the_same_draws_give_the_same_figures():
    """And they are plain JSON."""
    features = groups(np.random.default_rng(0), 2, n=80)
    first, second = (json.dumps(swept(features, (2,), effort=ONCE).as_json(), allow_nan=False) for _ in range(2))
    assert first == second


def test_what_is_not_of_these_rows_is_refused():
    """Labels of others, or none."""
    with pytest.raises(Refused, match="needs a label"):
        sweep(np.zeros((5, 2)), "kmeans", {2: np.zeros(4, int)}, rng=np.random.default_rng(0))
    with pytest.raises(Refused, match="at least one"):
        sweep(np.zeros((5, 2)), "kmeans", {}, rng=np.random.default_rng(0))


def told(k: int, halves: float, null: float, *, weakest: float = 0.95, together: float = 0.3) -> Stability:
    """A stability with these means."""

    def spread(mean: float, by: float) -> Spread:
        return Spread(mean, mean - by, min(1.0, mean + by), 10)

    clusters = (*[spread(0.97, 0.01)] * (k - 1), spread(weakest, 0.02))
    nulls = {kind: Repeated(None, spread(null, 0.02), (spread(0.5, 0.1),)) for kind in ("shuffled", "correlated")}
    return Stability(k, k, 400, Repeated(None, spread(halves, 0.01), clusters), nulls, (0.4, together))


@pytest.mark.parametrize(
    ("stabilities", "k"),
    [
        ([told(2, 0.999, 0.95), told(3, 0.998, 0.5)], 3),  # the coarser one is stable too
        ([told(4, 1.0, 0.52), told(5, 0.99, 0.52)], 5),  # gaps that cannot be told apart: the finest
        ([told(3, 1.0, 0.4), told(6, 0.95, 0.7)], 3),  # long groups cut across: stable, but the gap has fallen
        ([told(3, 1.0, 0.5), told(4, 0.97, 0.5, weakest=0.6)], 3),  # a cluster that is not found again
        ([told(3, 1.0, 0.5), told(4, 0.99, 0.5, together=-0.1)], 3),  # rows strewn about are a cluster
        ([told(2, 0.96, 0.94)], None),  # no further above the null than chance takes it
        ([told(2, 0.975, 0.92)], None),  # clearly above, but with more than a quarter of its disagreement
        ([], None),
    ],
)
def test_the_rule(stabilities, k):
    """Which k is named, of what was measured."""
    verdict = supported(stabilities)
    assert verdict.k == k
    assert set(verdict.against) == {one.k for one in stabilities} - {k}
