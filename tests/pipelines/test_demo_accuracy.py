"""The demonstration's score agrees with scikit-learn and SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from boda.errors import Refused
from boda.pipelines.demonstration.accuracy import Share, leave_one_out, wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts):
    """The interval is SciPy's Wilson interval."""
    expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_leave_one_out_equals_scikit_learn():
    """The same images are wrong as with scikit-learn's classifier fitted without each image."""
    images, labels = load_digits(return_X_y=True)
    images, labels = images[:300].astype(np.float32), labels[:300]
    found = leave_one_out(images, labels.tolist())
    classifier = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    predicted = cross_val_predict(classifier, images, labels, cv=LeaveOneOut())
    assert found.wrong == tuple(np.flatnonzero(predicted != labels))
    assert found.accuracy == Share(int((predicted == labels).sum()), 300)


def test_baseline_is_the_largest_class():
    """Always saying the largest class is right as often as it is there."""
    found = leave_one_out(np.eye(5, dtype=np.float32), ["a", "b", "a", "c", "a"])
    assert found.baseline == Share(3, 5)


def test_an_image_is_not_its_own_neighbour():
    """Labels that have nothing to do with the features are not predicted by the image itself."""
    found = leave_one_out(np.eye(4, dtype=np.float32), [0, 1, 2, 3])
    assert found.accuracy.right == 0
    assert not (found.nearest == np.arange(4)).any()


def test_share_reads_as_per_cent_with_its_interval():
    """A share never stands without its interval."""
    assert str(Share(90, 100)) == "90.0 % [82.6, 94.5]"


def test_rows_without_labels_are_refused():
    """Features and labels must be of the same images."""
    with pytest.raises(Refused, match="3 rows with 2 labels"):
        leave_one_out(np.eye(3, dtype=np.float32), [0, 1])
