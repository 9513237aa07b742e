"""The class x cluster table shows where each class is, of few clusters and of many, whatever the names are."""

import numpy as np
import pytest

from boda.errors import Refused
from boda.pictures.clusters_table import clusters_table
from drawn import HOSTILE

FULL, EMPTY = (163, 74, 28), (244, 241, 235)


def colours(picture):
    """The colours of a picture, the most frequent first."""
    values, counts = np.unique(np.asarray(picture).reshape(-1, 3), axis=0, return_counts=True)
    return [tuple(map(int, values[place])) for place in np.argsort(-counts)]


def test_a_whole_class_in_one_cluster_is_the_full_colour_and_none_is_the_empty_one():
    """Two classes, each in a cluster of its own: two cells full, two empty, nothing between them but letters."""
    picture = clusters_table(np.array([[30, 0], [0, 12]]), ["bag", "sandal"], ["0", "1"])
    assert {FULL, EMPTY} < set(colours(picture)[:4])
    half = clusters_table(np.array([[15, 15], [0, 12]]), ["bag", "sandal"], ["0", "1"])
    mixed = tuple(round(e + (f - e) * np.sqrt(0.5)) for e, f in zip(EMPTY, FULL, strict=True))
    assert mixed in colours(half)[:5]


def test_many_clusters_are_shades_without_figures():
    """A hundred clusters fit on a screen, and a cell is at least ten pixels wide at its drawn size."""
    rng = np.random.default_rng(0)
    picture = clusters_table(
        rng.integers(0, 9, (10, 100)), [f"class {i}" for i in range(10)], list(map(str, range(100)))
    )
    assert 2000 < picture.width < 3000


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_of_a_class_is_drawn(name):
    """Names with control signs, stray bytes and Korean are text like any other."""
    picture = clusters_table(np.array([[3, 0], [1, 5]]), [name, "other"], ["0", "none"], title=name)
    assert picture.width > 200


def test_counts_that_do_not_match_their_names_are_refused():
    """Or that are all zero."""
    for counts in (np.zeros((2, 2), int), np.ones((2, 3), int)):
        with pytest.raises(Refused, match="clusters_table"):
            clusters_table(counts, ["a", "b"], ["0", "1"])
