"""k-means finds what scikit-learn finds, to the last row, from memory or from disk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, make_blobs
from threadpoolctl import threadpool_limits

from boda.clusters import kmeans as engine
from boda.clusters.kmeans import kmeans, nearest_centres
from boda.errors import Refused


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def sampling(monkeypatch):
    """Small data go the way of large ones."""
    monkeypatch.setattr(engine, "SAMPLE", 300)
    monkeypatch.setattr(engine, "SAMPLE_PER_CLUSTER", 40)


def blobs(rows: int = 3000, k: int = 7, width: int = 12, seed: int = 0) -> np.ndarray:
    return make_blobs(rows, width, centers=k, cluster_std=2.0, random_state=seed)[0].astype(np.float32)


def spread_out(rows: int = 3000, width: int = 16, seed: int = 0) -> np.ndarray:
    """No clear clusters, columns of falling variance, as features are."""
    scales = np.arange(1, width + 1) ** -0.5
    return (rng(seed).normal(size=(rows, width)) * scales).astype(np.float32)


def check(features: np.ndarray, found: engine.Partition, k: int) -> None:
    """Labels are the nearest centres, the inertia is theirs, no cluster is empty; all in float64."""
    wide = features.astype(np.float64)
    squared = np.square(wide[:, None] - found.centres.astype(np.float64)).sum(axis=2)
    np.testing.assert_array_equal(found.labels, squared.argmin(axis=1))
    assert found.inertia == pytest.approx(squared.min(axis=1).sum(), rel=1e-6)
    assert found.labels.dtype == np.int32
    assert found.centres.dtype == np.float32
    assert sorted(set(found.labels.tolist())) == list(range(k))
    assert found.k == k


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("name", ["digits", "iris", "blobs"])
def test_small_data_are_as_well_clustered_as_by_scikit_learn(name, k):
    """Ten restarts against ten, over seeds: within 0.5 % each time, and not worse on the whole."""
    loaded = {"digits": lambda: load_digits().data, "iris": lambda: load_iris().data, "blobs": lambda: blobs(1000)}
    features = loaded[name]().astype(np.float32)
    ratios = []
    for seed in range(3):
        found = kmeans(features, k, rng=rng(seed))
        ratios.append(found.inertia / KMeans(k, n_init=10, random_state=seed).fit(features).inertia_)
    check(features, found, k)
    assert max(ratios) < 1.005
    assert np.mean(ratios) < 1.001


@pytest.mark.parametrize("k", [2, 10, 25])
def test_a_sample_costs_no_quality(sampling, k):
    """With restarts on a sample and the best of them on all rows: within 0.5 % of scikit-learn's ten."""
    features = spread_out()
    ours = [kmeans(features, k, rng=rng(seed)) for seed in range(3)]
    check(features, ours[-1], k)
    oracle = KMeans(k, n_init=10, random_state=0).fit(features).inertia_
    assert np.median([found.inertia for found in ours]) < 1.005 * oracle


def test_real_features_are_as_well_clustered_as_by_scikit_learn(boda_data, sampling):
    """2,000 test images of Fashion-MNIST."""
    import gzip

    with gzip.open(boda_data / "fashion_mnist" / "t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)[:2000]
    features = (pixels / np.float32(255)).astype(np.float32)
    found = kmeans(features, 10, rng=rng())
    assert found.inertia < 1.003 * KMeans(10, n_init=10, random_state=0).fit(features).inertia_


@given(
    rows=st.integers(8, 300),
    width=st.integers(1, 9),
    k=st.integers(1, 8),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([np.float16, np.float32]),
)
@settings(max_examples=25, deadline=None)
def test_labels_are_exactly_the_nearest_centres(rows, width, k, seed, dtype):
    """Of any rows, and a second look finds the same labels."""
    features = rng(seed).normal(size=(rows, width)).astype(dtype)
    found = kmeans(features, k, restarts=2, rng=rng(seed))
    check(features, found, k)
    labels, squared = nearest_centres(features, found.centres)
    np.testing.assert_array_equal(labels, found.labels)
    assert squared.sum() == pytest.approx(found.inertia)


def test_without_a_sample_every_centre_is_the_mean_of_its_rows():
    """The local optimum is reached, not only approached."""
    features = spread_out(1500)
    found = kmeans(features, 9, restarts=2, rng=rng())
    means = [features[found.labels == one].mean(axis=0, dtype=np.float64) for one in range(9)]
    np.testing.assert_allclose(found.centres, means, atol=1e-6)


def test_one_cluster_is_all_rows():
    """Its centre is the mean and its inertia the scatter."""
    features = spread_out(500)
    found = kmeans(features, 1, rng=rng())
    np.testing.assert_allclose(found.centres[0], features.mean(axis=0), atol=1e-6)
    assert found.inertia == pytest.approx(np.square(features - features.mean(axis=0)).sum(dtype=np.float64), rel=1e-6)


def test_as_many_clusters_as_rows():
    """Every row is its own centre."""
    features = spread_out(30)
    found = kmeans(features, 30, rng=rng())
    assert sorted(found.labels.tolist()) == list(range(30))
    assert found.inertia == 0


@pytest.mark.parametrize("sampled", [False, True])
def test_the_same_seed_finds_the_same_labels(request, sampled):
    """With any number of threads and any blocks; and another seed starts elsewhere."""
    if sampled:
        request.getfixturevalue("sampling")
    features = spread_out(9000, 8)
    first = kmeans(features, 4, restarts=2, rng=rng(3))
    with threadpool_limits(2, user_api="blas"):
        second = kmeans(features, 4, restarts=2, rng=rng(3))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.centres, second.centres)
    assert first.inertia == pytest.approx(second.inertia, rel=1e-12)


def test_blocks_change_nothing(sampling, monkeypatch):
    """One block and many give the same labels."""
    from boda.clusters import rows

    features = spread_out()
    whole = kmeans(features, 6, restarts=2, rng=rng())
    monkeypatch.setattr(rows, "_BLOCK_VALUES", 1)
    parts = kmeans(features, 6, restarts=2, rng=rng())
    np.testing.assert_array_equal(whole.labels, parts.labels)
    np.testing.assert_allclose(whole.centres, parts.centres, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_memory_map_is_read_in_blocks(sampling, tmp_path, monkeypatch, dtype):
    """The same as from memory, and never more than a block or the sample at once."""
    from boda.clusters import rows

    monkeypatch.setattr(rows, "_BLOCK_VALUES", 16 * 128)
    features = spread_out().astype(dtype)
    np.save(tmp_path / "features.npy", features)
    taken = []
    take = rows.Rows.take

    def watched(self, which):
        block = take(self, which)
        if isinstance(self.features, np.memmap):
            taken.append(len(block))
        return block

    monkeypatch.setattr(rows.Rows, "take", watched)
    found = kmeans(np.load(tmp_path / "features.npy", mmap_mode="r"), 5, restarts=3, rng=rng())
    assert taken
    assert max(taken) <= 500
    np.testing.assert_array_equal(found.labels, kmeans(features, 5, restarts=3, rng=rng()).labels)


@pytest.mark.parametrize("offset", [1e3, 3e4])
def test_what_all_rows_have_in_common_costs_no_digits(offset):
    """Far from zero the float32 squares of whole rows would drown the distances."""
    near = blobs(2000, 5, 8)
    far = near + np.float32(offset)
    oracle = kmeans(far.astype(np.float64) - offset, 5, rng=rng())
    found = kmeans(far, 5, rng=rng())
    assert found.inertia == pytest.approx(oracle.inertia, rel=1e-3)
    check(far, found, 5)


def test_no_cluster_stays_empty(sampling):
    """Also where a sample hardly sees the rare rows, and most rows are the same one."""
    features = np.zeros((5000, 3), np.float32)
    features[17], features[400], features[4000] = [1, 0, 0], [0, 5, 0], [0, 0, 9]
    found = kmeans(features, 4, rng=rng())
    check(features, found, 4)
    assert found.inertia == 0


def test_the_farthest_rows_fill_empty_clusters():
    """The farthest whose cluster has others; of equals the first."""
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    engine._refill(labels, np.array([1.0, 9.0, 9.0, 2.0, 0.5]), np.array([2, 3, 4]))
    assert labels.tolist() == [0, 2, 3, 4, 1]


def test_the_farthest_centre_is_not_the_label():
    """`KMeans.transform` has distances: argmax of them is the centre that a row is least like."""
    features = blobs(600, 4)
    oracle = KMeans(4, n_init=10, random_state=0).fit(features)
    labels, squared = nearest_centres(features, oracle.cluster_centers_)
    distances = oracle.transform(features)
    np.testing.assert_array_equal(labels, distances.argmin(axis=1))
    np.testing.assert_allclose(np.sqrt(squared), distances.min(axis=1), rtol=1e-3)
    assert not (labels == distances.argmax(axis=1)).any()
    found = kmeans(features, 4, rng=rng())
    assert not (found.labels == np.square(features[:, None] - found.centres).sum(axis=2).argmax(axis=1)).any()


def test_a_tie_goes_to_the_lowest_number():
    """Between equal centres, and half way between two."""
    centres = np.array([[9, 9], [0, 0], [2, 0], [0, 0]], np.float32)
    labels, squared = nearest_centres(np.array([[0, 0], [1, 0], [2, 0]], np.float32), centres)
    assert labels.tolist() == [1, 1, 2]
    assert squared.tolist() == [0, 1, 0]


def test_near_ties_are_decided_in_float64():
    """Centres that a float32 product cannot tell apart."""
    features = rng().normal(size=(300, 64)).astype(np.float32) + 100
    base = features.mean(axis=0)
    centres = (base + rng(1).normal(size=(5, 64)) * 1e-4).astype(np.float32)
    labels, _ = nearest_centres(features, centres)
    wide = np.square(features[:, None].astype(np.float64) - centres).sum(axis=2)
    np.testing.assert_array_equal(labels, wide.argmin(axis=1))


@pytest.mark.parametrize(
    ("features", "k", "said"),
    [
        (np.ones((5, 2)), 0, "at least 1 cluster"),
        (np.ones((5, 2)), 2, "all rows are equal: there is nothing to group"),
        (np.repeat(np.eye(3), 9, axis=0), 4, "4 clusters of 3 different rows"),
        (np.zeros((0, 2)), 1, "no rows to cluster"),
        (np.array([[0.0, -0.0], [-0.0, 0.0]]), 2, "all rows are equal"),
        (np.ones(5), 1, "shape"),
        (np.full((5, 2), 1e25) * np.arange(5)[:, None], 2, "too large"),
        (np.full((5, 2), 1e-30) * np.arange(5)[:, None], 2, "too narrow"),
    ],
)
def test_what_makes_no_sense_is_refused(features, k, said):
    """In one sentence."""
    with pytest.raises(Refused, match=said):
        kmeans(features.astype(np.float32), k, rng=rng())


def test_no_restart_is_refused():
    """At least one start is needed."""
    with pytest.raises(Refused, match="restarts is 0"):
        kmeans(np.eye(3, dtype=np.float32), 2, restarts=0, rng=rng())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("sampled", [False, True])
def test_a_row_that_is_not_finite_is_named(request, bad, sampled):
    """Whether the sample has it or not, by both functions."""
    if sampled:
        request.getfixturevalue("sampling")
    features = spread_out()
    centres = features[:3].copy()
    features[1234, 5] = bad
    with pytest.raises(Refused, match="row 1234 of the features holds NaN or infinity"):
        kmeans(features, 3, restarts=1, rng=rng())
    with pytest.raises(Refused, match="row 1234 of the features holds NaN or infinity"):
        nearest_centres(features, centres)


@pytest.mark.parametrize(
    ("centres", "said"),
    [(np.ones((2, 3)), "cannot go to"), (np.ones((0, 2)), "no centre"), ([[np.nan, 0]], "a centre")],
)
def test_centres_that_do_not_fit_are_refused(centres, said):
    """Another width, none at all, or not finite."""
    with pytest.raises(Refused, match=said):
        nearest_centres(np.ones((4, 2), np.float32), np.asarray(centres))


@pytest.mark.parametrize(("restarts", "k", "calls"), [(1, 3, 1), (4, 3, 4), (4, 25, 4)])
def test_starts_end_when_the_best_came_again(monkeypatch, restarts, k, calls):
    """Three clear groups need no second round; many clusters get none."""
    seen = []
    plain = engine.seeds
    monkeypatch.setattr(engine, "seeds", lambda *given: (seen.append(1), plain(*given))[1])
    kmeans(blobs(400, 3), k, restarts=restarts, rng=rng())
    assert len(seen) == calls
