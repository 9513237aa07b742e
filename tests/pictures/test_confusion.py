"""The confusion matrix shows every count, of few classes and of many."""

import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from boda.errors import Refused
from boda.pictures.confusion import confusion
from drawn import HOSTILE, Drawn


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_cells_hold_the_counts_and_row_shares_of_scikit_learn(rng):
    """Each cell says its share of the row and its count; each row its total."""
    truth, predicted = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    texts = Drawn(confusion(truth, predicted, ["a", "b", "c", "d"])).texts
    counts = confusion_matrix(truth, predicted, labels=range(4))
    said = texts[10:]  # after four names twice and both headings
    places = [(row, column) for row, column in np.ndindex(4, 4) if counts[row, column]]
    assert said[1 : 2 * len(places) : 2] == [str(counts[place]) for place in places]
    for text, (row, column) in zip(said[0 : 2 * len(places) : 2], places, strict=True):
        assert float(text.removesuffix(" %")) == pytest.approx(100 * counts[row, column] / counts[row].sum(), abs=0.51)
    assert texts[-4:] == [str(total) for total in counts.sum(axis=1)]


def test_words_name_the_most_frequent_mistake():
    """Who does not see the picture hears its point."""
    words = Drawn(confusion([0, 0, 1, 1, 1], [0, 0, 0, 0, 1], ["cat", "dog"])).words
    assert words.endswith("60 % of 5 rows on the diagonal; most often dog was taken for cat (2 rows)")


def test_many_classes_are_shades_without_text(rng):
    """A hundred classes are a sharp picture below 60 kB, in which exactly the cells that hold rows are shaded."""
    truth = rng.integers(0, 100, 5000)
    predicted = np.where(rng.random(5000) < 0.6, truth, rng.integers(0, 100, 5000))
    svg = confusion(truth, predicted, [f"class {i}" for i in range(100)])
    assert len(svg) < 60_000
    counts = confusion_matrix(truth, predicted, labels=range(100))
    painted = np.zeros((100, 100), bool)
    for path in Drawn(svg).paths:
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)", path.d):
            part = painted[int(y), int(x) : int(x) + int(length)]
            assert not part.any(), "a cell is painted twice"
            part[:] = True
    np.testing.assert_array_equal(painted, counts > 0)


@pytest.mark.parametrize("k", [1, 2, 12, 13, 30, 100])
def test_pictures_are_small_at_their_worst(rng, k):
    """Predictions at random leave no cell empty; the picture stays below 60 kB, and all names are inside it."""
    svg = confusion(
        rng.integers(0, k, 40_000), rng.integers(0, k, 40_000), [f"a rather long name {i}" for i in range(k)]
    )
    assert len(svg) < 60_000
    drawn = Drawn(svg)
    assert len(drawn.texts) >= 2 * k
    assert max(drawn.size) < 1200


@pytest.mark.parametrize("k", [6, 20])
def test_hostile_and_korean_names_are_text(k):
    """Names from files are only ever text, and Hangul needs no font here."""
    names = [*HOSTILE, *(f"{i}" for i in range(k - len(HOSTILE)))]
    drawn = Drawn(confusion(np.arange(k), np.arange(k), names))
    assert {part.tag.rpartition("}")[2] for part in drawn.root.iter()} == {"svg", "style", "rect", "path", "text"}
    assert "나선은하" in drawn.texts


def test_a_class_without_rows_has_an_empty_row():
    """No share is made up where nothing was counted."""
    texts = Drawn(confusion([0, 0], [0, 1], ["a", "b"])).texts
    assert texts[-2:] == ["2", "0"]
    assert [text for text in texts if "%" in text] == ["50 %", "50 %"]


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([], []), ([0, 1], [0]), ([[0], [1]], [0, 1]), ([0.0], [0.0]), ([-1], [0]), ([0], [2])],
    ids=["empty", "lengths", "broadcast", "floats", "negative", "beyond"],
)
def test_what_is_no_class_is_refused(truth, predicted):
    """(n, 1) against (n,) does not broadcast, and places are checked."""
    with pytest.raises(Refused, match="confusion:"):
        confusion(truth, predicted, ["a", "b"])
