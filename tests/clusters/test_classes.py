"""Classes against clusters: counts, agreement and the published description are those of independent tools."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from boda.clusters.classes import DESCRIBED, agreement_with_classes, class_table, describe, rows_in
from boda.errors import Refused


@pytest.fixture
def labelled():
    """400 rows: clusters (some in none), classes (some not known)."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=400)
    labels = np.where(rng.random(400) < 0.7, truth, rng.integers(4, size=400)).astype(np.int32)
    labels[:20], truth[390:] = -1, -1
    return labels, truth


def test_every_row_is_in_one_cell(labelled):
    """Counts are those of a loop, and cells give back their rows."""
    labels, truth = labelled
    table = class_table(labels, truth, ["a", "b", "c"], k=4)
    for one in range(3):
        for cluster in range(4):
            rows = rows_in(labels, truth, cluster=cluster, one=one)
            assert table.counts[one, cluster] == len(rows) == ((truth == one) & (labels == cluster)).sum()
        assert table.unclustered[one] == len(rows_in(labels, truth, cluster=-1, one=one))
    assert table.counts.sum() + table.unclustered.sum() + table.unlabelled == 400
    np.testing.assert_allclose(table.shares.sum(axis=1), 1)


def test_agreement_is_scikit_learns_with_intervals(labelled):
    """Of rows with a class; the intervals hold the values, and are narrow for so many rows."""
    labels, truth = labelled
    found = agreement_with_classes(labels, truth, k=4, classes=3, rng=np.random.default_rng(1), rounds=200)
    known = truth >= 0
    assert found["ari"].value == pytest.approx(adjusted_rand_score(truth[known], labels[known]))
    assert found["nmi"].value == pytest.approx(normalized_mutual_info_score(truth[known], labels[known]))
    assert found["accuracy"].value == pytest.approx((truth == labels)[known].mean())
    for one in found.values():
        assert one.low < one.value < one.high < one.low + 0.2


def test_intervals_hold_possible_values_and_have_a_width():
    """Where every row agrees other rows may not; no share is above 1, and none below 0."""
    truth = np.repeat([0, 1, 2], 20)
    off = truth.copy()
    off[0] = 1
    chance = np.random.default_rng(0).integers(3, size=60)
    for labels in (truth, off, chance):
        found = agreement_with_classes(labels, truth, k=3, classes=3, rng=np.random.default_rng(1), rounds=100)
        for name, one in found.items():
            assert (-1 if name == "ari" else 0) <= one.low < one.high <= 1
            assert one.low <= one.value <= one.high
    assert agreement_with_classes(truth, truth, k=3, classes=3, rng=np.random.default_rng(1), rounds=9)["ari"].low > 0.9


def test_rows_of_a_group_count_together(labelled):
    """Copies of rows are no more evidence: the interval is as wide as without them."""
    labels, truth = labelled
    wide, narrow = (
        agreement_with_classes(
            np.repeat(labels, 5), np.repeat(truth, 5), k=4, classes=3, rng=np.random.default_rng(1), groups=groups,
            rounds=200,
        )["accuracy"]
        for groups in (np.repeat(np.arange(400), 5), None)
    )  # fmt: skip
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)


def test_description_is_that_of_pandas(labelled):
    """`groupby("class")["cluster"].describe()`, column by column; a class of one row has no deviation."""
    pandas = pytest.importorskip("pandas", reason="no pandas here")
    labels, truth = labelled
    truth = truth.copy()
    truth[21] = 3
    inside = (labels >= 0) & (truth >= 0)
    frame = pandas.DataFrame({"class": truth[inside], "cluster": labels[inside]})
    expected = frame.groupby("class")["cluster"].describe()
    assert tuple(expected.columns) == DESCRIBED
    np.testing.assert_allclose(describe(labels, truth, classes=4), expected.to_numpy(), equal_nan=True)


def test_a_class_without_rows_is_described_by_its_count():
    """0, and nothing else."""
    found = describe(np.zeros(3, np.int32), np.zeros(3, int), classes=2)
    assert found[1, 0] == 0
    assert np.isnan(found[1, 1:]).all()


def test_the_farthest_centre_swaps_two_clusters_and_ruins_more():
    """The slip in the published code: argmax of `KMeans.fit_transform`, which are distances.

    With k = 2 the farther centre is the other one, so the table is renumbered. With k = 3 the classes, which are one
    cluster each, become mixtures or move together.
    """
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 100)
    features = rng.normal(size=(300, 2)) + np.array([[0, 0], [30, 0], [12, 20]])[truth]

    def tables(rows, classes, k):
        model = KMeans(k, n_init=5, random_state=0)
        distances = model.fit_transform(rows)
        return describe(model.labels_, classes, classes=k), describe(distances.argmax(axis=1), classes, classes=k)

    right, slip = tables(features[:200], truth[:200], 2)
    np.testing.assert_allclose(slip[:, 1], 1 - right[:, 1])
    right, slip = tables(features, truth, 3)
    assert sorted(right[:, 1].tolist()) == [0, 1, 2]
    assert len(set(slip[:, 1].tolist())) < 3 or slip[:, 2].max() > 0.3


def test_what_does_not_fit_is_refused(labelled):
    """Other rows, numbers beyond what there is, and nothing to compare with."""
    labels, truth = labelled
    with pytest.raises(Refused, match="not of the same rows"):
        class_table(labels[:5], truth, ["a", "b", "c"], k=4)
    with pytest.raises(Refused, match="beyond the 3 clusters"):
        class_table(labels, truth, ["a", "b", "c"], k=3)
    with pytest.raises(Refused, match="no row has a class"):
        agreement_with_classes(labels, np.full(400, -1), k=4, classes=3, rng=np.random.default_rng(0))


def test_intervals_hold_the_value_they_are_of():
    """Many small clusters without a tie to the classes: draws that repeat rows match better than the rows themselves."""
    rng = np.random.default_rng(0)
    labels, truth = rng.integers(0, 10, 400).astype(np.int32), rng.integers(0, 10, 400)
    found = agreement_with_classes(labels, truth, k=10, classes=10, rng=rng)
    for one in found.values():
        assert one.low < one.value < one.high
