"""Hits are the nearest images of a feature set, with their keys."""

from types import SimpleNamespace

import numpy as np
import pytest

from boda.errors import Refused
from boda.retrieval.search import similar


@pytest.fixture
def features():
    array = np.array([[1, 0], [1, 1], [0, 1], [-1, 0], [2, 0]], dtype=np.float16)
    return SimpleNamespace(keys=["a", "b", "c", "caf\udce9", "e"], array=array, recipe=None)


def test_hits_carry_keys_and_cosines(features):
    """Likeness is the cosine; length does not count; ties keep the order of the workspace."""
    hits = similar(features, [3.0, 0.0], 5)
    assert hits.keys == ("a", "e", "b", "c", "caf\udce9")
    np.testing.assert_allclose(hits.likeness, [1, 1, np.sqrt(0.5), 0, -1], atol=1e-12)
    assert hits.rows == (0, 4, 1, 2, 3)
    assert len(hits) == 5


def test_the_query_itself_is_no_hit(features):
    """With `exclude` a copy is found, the image itself is not, and k may be larger than what is there."""
    assert similar(features, features.array[0], 99, exclude=0).keys == ("e", "b", "c", "caf\udce9")


def test_json_names_stray_bytes(features):
    """A key that is not UTF-8 is written as bytes."""
    assert similar(features, [-1, 0], 1).as_json() == [{"key": {"bytes": "636166e9"}, "likeness": 1.0}]


def test_another_width_is_refused(features):
    """A query of another encoder's width names both shapes."""
    with pytest.raises(Refused, match="shape"):
        similar(features, [1, 0, 0], 1)


def test_search_among_rows_is_search_of_these_rows():
    """Exact, with the rows' own numbers, across blocks and for memory maps; several rows are hidden at once."""
    rng = np.random.default_rng(0)
    array = rng.normal(size=(300, 8)).astype(np.float32)
    everything = SimpleNamespace(keys=[str(row) for row in range(300)], array=array, recipe=None)
    among = np.flatnonzero(rng.random(300) < 0.3)
    query = rng.normal(size=8)
    cosines = array @ query / np.linalg.norm(array, axis=1) / np.linalg.norm(query)
    hidden = among[:3].tolist()
    expected = [row for row in among[np.argsort(-cosines[among])].tolist() if row not in hidden]
    hits = similar(everything, query, 10, among=among, exclude=hidden)
    assert list(hits.rows) == expected[:10]
    np.testing.assert_allclose(hits.likeness, cosines[expected[:10]], atol=1e-6)
    assert hits.keys == tuple(map(str, expected[:10]))
    assert len(similar(everything, query, 999, among=among, exclude=hidden)) == len(expected)
    assert len(similar(everything, query, 5, among=among[:0])) == 0


def test_hidden_rows_that_are_not_near_hide_nothing_else(features):
    """Rows asked for and not among the nearest cost no hit."""
    assert similar(features, [1.0, 0], 2, exclude=[3]).keys == ("a", "e")
    assert similar(features, [1.0, 0], 2, exclude=[0, 3, 4]).keys == ("b", "c")
    with pytest.raises(Refused, match="at least 1"):
        similar(features, [1.0, 0], 0, exclude=[0, 1])
