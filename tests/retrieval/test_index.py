"""An index proposes; what it proposes is measured against exact search."""

import numpy as np
import pytest

from boda.errors import MissingExtra
from boda.neighbours.exact import nearest
from boda.retrieval import index as graphs
from boda.retrieval.index import build, recall, version, view

pytest.importorskip("usearch")


def clustered(n, d, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, d))
    return (centres[rng.integers(12, size=n)] + 0.5 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return clustered(3_000, 24)


@pytest.fixture(scope="module")
def index(rows):
    return build(rows, rng=np.random.default_rng(0), threads=1)


def test_it_proposes_nearly_all_of_the_nearest(rows, index):
    """Of queries that are no rows, too; rows ascend and are as many as were looked at."""
    queries = clustered(30, 24, seed=1)
    exact = nearest(rows, queries, 10).rows
    found = [index.candidates(query, 10) for query in queries]
    assert all((np.diff(one) > 0).all() and len(one) == 256 for one in found)
    assert np.mean([np.isin(truth, one).mean() for truth, one in zip(exact, found, strict=True)]) > 0.95


def test_where_all_are_asked_for_none_is_missed(rows, index):
    """k near n gives every row."""
    np.testing.assert_array_equal(index.candidates(rows[0], 2_000), np.arange(3_000))


def test_recall_is_what_counting_by_hand_gives(rows, index, monkeypatch):
    """The share of the exact nearest among those proposed, by the same rows; its interval holds it."""
    monkeypatch.setattr(graphs, "_LEAST", 30)
    monkeypatch.setattr(graphs, "_SPARE", 1)
    found = recall(index, rows, rng=np.random.default_rng(5))
    asked = np.sort(np.random.default_rng(5).choice(3_000, graphs.QUERIES, replace=False))
    exact = nearest(rows, rows[asked], graphs.NEIGHBOURS, exclude=asked).rows
    mine = [np.isin(truth, index.candidates(rows[row], 21)).mean() for row, truth in zip(asked, exact, strict=True)]
    assert found.value == pytest.approx(np.mean(mine), abs=1e-9)
    assert found.low < found.value < found.high <= 1
    assert found.rows == graphs.QUERIES * graphs.NEIGHBOURS


def test_copies_count_alike_and_do_not_part_the_graph():
    """Where a hundred rows are the same and stand together, any twenty of them are the nearest, and are found."""
    rows = np.repeat(np.random.default_rng(0).normal(size=(20, 8)), 100, axis=0)
    assert recall(build(rows, rng=np.random.default_rng(0), threads=1), rows, rng=np.random.default_rng(0)).value == 1


def test_a_file_gives_the_same_index(rows, index, tmp_path):
    """Written and mapped again it proposes the same rows; long rows and short ones are the same direction."""
    (tmp_path / "graph").write_bytes(index.data())
    again = view(tmp_path / "graph", 24)
    assert again.shape == (3_000, 24)
    for scale in (1, 1e6, 1e-6):
        np.testing.assert_array_equal(again.candidates(rows[7] * scale, 5), index.candidates(rows[7], 5))
    scaled = build(rows * 1e6, rng=np.random.default_rng(0), threads=1)
    np.testing.assert_array_equal(scaled.candidates(rows[7], 5), index.candidates(rows[7], 5))


def test_without_usearch_the_extra_is_named(monkeypatch):
    """One line says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "usearch", None)
    with pytest.raises(MissingExtra, match=r"boda\[index\]"):
        version()
