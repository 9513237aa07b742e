"""The recipe on clusters, tiny: a few real clothes, every table; its parts by themselves."""

import numpy as np
import pytest

import fashion_clusters
from autoencoders.idx import first_rows, found
from boda.clusters.stability import Effort
from boda.errors import NotFound
from clustered import published
from clustered.kept import Kept, Rows
from clustered.published import APART, CLASSES, as_published, farthest, regrouped, splits
from clustered.ways import Study, Way, embedding, grouped


def cells(receipt, start):
    """The cells of the lines of tables that begin so."""
    lines = [line for line in receipt.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def blobs(k, each=30, apart=9.0):
    """Rows of k groups that lie far apart, and the group of each."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(k), each).astype(np.int32)
    return (apart * np.eye(max(k, 6))[truth] + rng.normal(size=(k * each, max(k, 6)))).astype(np.float32), truth


def test_the_slip_is_the_farthest_centre_of_scikit_learn():
    """argmax(KMeans.fit_transform(X)): with two centres a swap, with more other groups."""
    from sklearn.cluster import KMeans

    rows, _ = blobs(5)
    for k in (2, 5):
        model = KMeans(k, n_init=3, random_state=0)
        distances = model.fit_transform(rows)
        far = farthest(rows, model.cluster_centers_)
        np.testing.assert_array_equal(far, distances.argmax(axis=1))
        assert (far != model.labels_).all()
    two = KMeans(2, n_init=3, random_state=0).fit(rows)
    np.testing.assert_array_equal(farthest(rows, two.cluster_centers_), 1 - two.labels_)


def test_the_published_split_is_told_by_the_majority_of_each_class():
    """Whichever group is the first; not when one class goes over, nor when all are together."""
    apart = np.array([name in APART for name in CLASSES])
    assert apart.sum() == 4
    counts = np.where(apart[:, None], [[1, 9]], [[6, 4]])
    assert as_published(counts)
    assert as_published(counts[:, ::-1])
    assert not as_published(np.where(apart[:, None], [[9, 1]], [[6, 4]]))
    other = counts.copy()
    other[0] = [4, 6]
    assert not as_published(other)


def test_splits_count_the_seeds_and_compare_them():
    """Two groups far apart come with every seed, and their agreement is 1."""
    rows, side = blobs(2, each=50)
    apart = np.flatnonzero([name in APART for name in CLASSES])
    others = np.setdiff1d(np.arange(10), apart)
    truth = np.where(side == 1, apart[np.arange(100) % 4], others[np.arange(100) % 6]).astype(np.int32)
    cut = splits(rows, truth, range(3), restarts=1)
    assert cut.published == 3
    assert cut.agreement.tolist() == [1, 1, 1]
    assert cut.sides[apart, 0].sum() == 0


def test_only_the_distribution_outlives_renumbering():
    """Three clusters, six classes; ten in ten groups are trivial."""
    counts = np.zeros((10, 3), np.int64)
    counts[:4, 0], counts[4:7, 1] = 10, 10
    counts[7:, 0] = counts[7:, 2] = 5
    ways, trivial = regrouped(counts)
    assert not trivial
    assert ways["distribution"].same == ways["distribution"].tried == 5
    assert ways["mean"].same < 5
    assert ways["distribution"].groups == (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)
    assert regrouped(np.eye(10, dtype=np.int64))[1]


@pytest.mark.parametrize("how", ["none", "tsne", "tsne-random", pytest.param("umap-3", marks=pytest.mark.slow)])
def test_an_embedding_keeps_groups_that_lie_apart(how):
    """Of as many dimensions as were asked for."""
    if how.startswith("umap"):
        pytest.importorskip("umap")
    rows, truth = blobs(3)
    points = embedding(rows, how, 0)
    assert points.shape == (90, {"none": 6, "tsne": 2, "tsne-random": 2, "umap-3": 3}[how])
    labels = grouped(points, "kmeans", 3, 0)
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 3


def test_the_spectral_method_finds_groups():
    """Three that touch by few neighbours."""
    rows, truth = blobs(3, each=40, apart=4.0)
    labels = grouped(rows, "spectral", 3, 0)
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 3
    with pytest.raises(NotFound, match="no embedding 'x'"):
        embedding(rows, "x", 0)
    with pytest.raises(NotFound, match="no method 'x'"):
        grouped(rows, "x", 3, 0)


def test_a_study_scores_and_remembers(tmp_path):
    """All right of groups that lie apart; halves agree; nothing is made twice; other rows are others."""
    rows, truth = blobs(4)
    study = Study(Kept(tmp_path), truth, 4)
    way = Way("blobs", "none", "kmeans")
    (first, second) = study.scores(way, [Rows.of(rows)], range(2))
    assert (first.accuracy, first.nmi, first.ari) == (1, 1, 1)
    assert second.ari == 1
    assert first.silhouette > 0.5
    assert study.halves(way, Rows.of(rows), range(2)) == [1, 1, 1, 1]
    files = {one: one.stat().st_mtime_ns for one in tmp_path.iterdir()}
    assert study.scores(way, [Rows.of(rows)], range(2)) == [first, second]
    assert {one: one.stat().st_mtime_ns for one in tmp_path.iterdir()} == files
    study.labels(way, Rows.of(rows + 1), 0)
    assert len(list(tmp_path.iterdir())) == len(files) + 1


@pytest.mark.slow
def test_the_receipt_has_every_table_and_goes_on(boda_data, tmp_path, monkeypatch):
    """Trained here, then given; the same again is the same."""
    monkeypatch.setattr(fashion_clusters, "SPLIT_SEEDS", 3)
    monkeypatch.setattr(published, "RENUMBERINGS", 3)
    data = tmp_path / "data" / "fashion_mnist"
    for name, count in (("train", 240), ("t10k", 120)):
        first_rows(found(boda_data / "fashion_mnist", name), count, data)
    how = {
        "auto": False,
        "seeds": 2,
        "halves": 1,
        "ways": [
            Way("pixels", "none", "kmeans"),
            Way("autoencoder", "none", "spectral"),
            Way("auto", "none", "kmeans"),
        ],
        "looked_for": (2, 3),
        "effort": Effort(halves=2, nulls=2, restarts=1),
    }
    receipt = fashion_clusters.run(tmp_path / "data", tmp_path / "out", trainings=2, epochs=1, rows=200, **how)
    assert len(cells(receipt, "autoencoder 1")) == 3
    assert all(line[2].endswith("of 3") for line in cells(receipt, "pixels") if len(line) == 5)
    assert len(cells(receipt, "Ankle boot")) == 4
    assert [line[3] for line in cells(receipt, "10") if len(line) == 4] == ["trivial"] * 3
    distribution = [line for k in ["2", "3", "7"] for line in cells(receipt, k) if line[1].startswith("the shares")]
    assert all(len(set(line[3].split(" of "))) == 1 for line in distribution)
    assert "±" in cells(receipt, "pixels, kmeans")[0][1]
    assert cells(receipt, "N2D, published")[0][1:3] == ["0.672", "0.684"]
    assert not cells(receipt, "auto, kmeans")
    assert len(cells(receipt, "agreement of halves, of all")) == 1
    assert "seeds of embedding and clustering 0, 1" in receipt
    runs = [tmp_path / "out" / "published" / f"published-{seed}" for seed in range(2)]
    again = fashion_clusters.run(tmp_path / "data", tmp_path / "out", runs=runs, rows=200, **how)
    assert again.splitlines()[:-1] == receipt.splitlines()[:-1]
