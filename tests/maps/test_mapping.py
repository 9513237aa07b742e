"""Maps find groups, are the same again, and take new rows without moving old ones."""

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from boda.errors import MissingExtra, Refused
from boda.maps import tsne
from boda.maps.graph import affinities, nearest_others
from boda.maps.mapping import Settings, map_rows, place_rows, random_maps, settings_for


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """400 digits, (400, 64) float32."""
    return load_digits().data[:400].astype(np.float32)


@pytest.fixture(scope="module")
def settings() -> Settings:
    """Of t-SNE on them."""
    return settings_for(400)


@pytest.fixture(scope="module")
def layout(digits, settings):
    """Their map."""
    return map_rows(digits, settings)


def test_it_is_as_faithful_as_scikit_learns(digits, layout):
    """On real data, by scikit-learn's own measure."""
    from sklearn.manifold import TSNE

    theirs = TSNE(random_state=0).fit_transform(digits)
    ours = trustworthiness(digits, layout.places, n_neighbors=10)
    assert ours >= trustworthiness(digits, theirs, n_neighbors=10) - 0.003
    assert ours > 0.97


def test_digits_lie_beside_their_like(layout):
    """The nearest on the map is mostly the same digit, of which features know nothing."""
    target = load_digits().target[:400]
    near = NearestNeighbors(n_neighbors=1).fit(layout.places).kneighbors(return_distance=False)[:, 0]
    assert (target[near] == target).mean() > 0.93


def test_the_same_seed_gives_the_same_map(digits, settings, layout):
    """Bit for bit, also with more threads; a start is principal components, so a seed changes random starts only."""
    np.testing.assert_array_equal(map_rows(digits, settings).places, layout.places)
    np.testing.assert_array_equal(map_rows(digits, settings, threads=2).places, layout.places)
    few = digits[:60]
    first, again = (random_maps(few, settings_for(60, seed=5), 2) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(*first)


def test_rows_of_the_map_are_placed_where_they_lie(digits, settings, layout):
    """As if they were new: near their old places by the measure of the map, and nobody moved."""
    before = layout.places.copy()
    found = place_rows(layout, digits, digits[::4], settings)
    np.testing.assert_array_equal(layout.places, before)
    off = np.linalg.norm(found - layout.places[::4], axis=1)
    spread = np.linalg.norm(layout.places - layout.places.mean(axis=0), axis=1).mean()
    assert np.median(off) < 0.03 * spread
    assert np.quantile(off, 0.9) < 0.15 * spread


def test_new_rows_come_to_their_like(digits, settings, layout):
    """Digits that the map has not seen lie among the same digit; each is placed as if it came alone."""
    all_digits = load_digits()
    new, target = all_digits.data[400:500].astype(np.float32), all_digits.target
    found = place_rows(layout, digits, new, settings)
    near = NearestNeighbors(n_neighbors=5).fit(layout.places).kneighbors(found, return_distance=False)
    assert (np.array([np.bincount(target[row]).argmax() for row in near]) == target[400:500]).mean() > 0.8
    np.testing.assert_allclose(place_rows(layout, digits, new[:3], settings), found[:3], atol=1e-3)


def test_principal_components_are_placed_exactly(digits):
    """Scikit-learn's, up to signs; a row of the map is placed where it is."""
    settings = settings_for(400, "pca", dims=3)
    layout = map_rows(digits, settings)
    np.testing.assert_allclose(np.abs(layout.places), np.abs(PCA(3).fit_transform(digits.astype(float))), atol=1e-3)
    np.testing.assert_array_equal(place_rows(layout, digits, digits[7:9], settings), layout.places[7:9])


def test_by_mesh_or_by_tree_it_is_as_good_a_map(digits, settings, layout, monkeypatch):
    """Of few points the tree is faster, of many the mesh; new rows are placed by either."""
    monkeypatch.setattr(tsne, "MANY", 10)
    meshed = map_rows(digits, settings)
    ours, theirs = (trustworthiness(digits, one.places, n_neighbors=10) for one in (meshed, layout))
    assert ours == pytest.approx(theirs, abs=0.004)
    found = place_rows(meshed, digits, digits[::4], settings)
    off = np.linalg.norm(found - meshed.places[::4], axis=1)
    assert np.median(off) < 0.03 * np.linalg.norm(meshed.places, axis=1).mean()


def test_three_dimensions(digits):
    """By openTSNE's tree; new rows are placed there too."""
    settings = settings_for(150, dims=3)
    layout = map_rows(digits[:150], settings)
    assert trustworthiness(digits[:150], layout.places, n_neighbors=5) > 0.93
    found = place_rows(layout, digits[:150], digits[:5], settings)
    off = np.linalg.norm(found - layout.places[:5], axis=1)
    assert np.median(off) < 0.2 * layout.places.std()


def test_copies_lie_beside_each_other_and_few_rows_are_enough():
    """What a copy is a copy of is among the nearest to it; five rows make a map."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    places = map_rows(np.vstack([x, x[:3]]), settings_for(43)).places
    near = nearest_others(places, 3).rows[40:]
    assert all(row in three for row, three in enumerate(near))
    assert np.isfinite(map_rows(x[:5], settings_for(5)).places).all()


def test_the_descent_is_opentsnes(digits):
    """The same gradients give the same places, step by step."""
    from openTSNE.tsne import gradient_descent

    points = np.ascontiguousarray(digits[:80])
    attraction = affinities(nearest_others(points, 10))
    start = tsne.random_start(80, 2, np.random.default_rng(0))
    gradient = tsne._gradient(attraction, 1, by_mesh=True)
    ours = tsne._Descent(start)
    for _ in range(20):
        ours.step(gradient(ours.places), 80.0)
        ours.places -= ours.places.mean(axis=0)
    _, theirs = gradient_descent()(
        start.copy(), attraction, 20, lambda places, *_, **__: (0.0, gradient(np.asarray(places))), learning_rate=80.0
    )
    np.testing.assert_allclose(ours.places, theirs, rtol=1e-9, atol=1e-12)


def test_affinities_are_those_of_scikit_learns_tsne():
    """With all others as neighbours they are the joint probabilities of the textbook, of perplexity 2/3 of those."""
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold._t_sne import _joint_probabilities

    x = np.random.default_rng(0).normal(size=(31, 4)).astype(np.float32)
    found = affinities(nearest_others(x, 30)).toarray()
    theirs = _joint_probabilities(squareform(pdist(x, "sqeuclidean")), 20.0, 0)
    np.testing.assert_allclose(found[np.triu_indices(31, 1)], theirs, rtol=1e-3, atol=1e-9)
    np.testing.assert_array_equal(found, found.T)
    assert found.sum() == pytest.approx(1)


def test_copies_attract_each_other_by_finite_numbers():
    """Where all neighbours are at the same place, all count alike."""
    found = affinities(nearest_others(np.zeros((8, 2), np.float32), 4))
    assert np.isfinite(found.data).all()
    assert found.sum() == pytest.approx(1)


def test_settings_fit_the_rows():
    """What is chosen is told; what does not fit is refused and not made to fit."""
    assert settings_for(60_000).perplexity == 30
    assert settings_for(31).perplexity == 10
    assert settings_for(9, "umap").neighbours == 8
    for arguments, words in [
        ({"perplexity": 20.0}, "choose from 1 to 10"),
        ({"dims": 4}, "2 or 3"),
        ({"method": "mds"}, "tsne, umap or pca"),
        ({"metric": "l1"}, "euclidean or cosine"),
        ({"neighbours": 5}, "that is for --method umap"),
        ({"method": "pca", "perplexity": 5.0}, "that is for --method tsne"),
        ({"method": "umap", "neighbours": 31}, "from 2 to 30"),
        ({"seed": -1}, "a seed"),
    ]:
        with pytest.raises(Refused, match=words):
            settings_for(31, **arguments)
    with pytest.raises(Refused, match="too few"):
        settings_for(4)


def test_without_umap_learn_it_says_what_to_install(digits, monkeypatch):
    """An extra."""
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtra, match=r"boda\[umap\]"):
        map_rows(digits, settings_for(400, "umap"))


class Pretended:
    """As much of umap-learn's UMAP as boda calls: places are the first columns, and what was asked for is kept."""

    made: ClassVar[list["Pretended"]] = []

    def __init__(self, **settings: object) -> None:
        self.settings = settings
        Pretended.made.append(self)

    def fit(self, points: np.ndarray) -> "Pretended":
        self.embedding_ = np.zeros((len(points), 2))
        return self

    def fit_transform(self, points: np.ndarray) -> np.ndarray:
        return points[:, : self.settings["n_components"]]

    def transform(self, queries: np.ndarray) -> np.ndarray:
        self.asked = self.embedding_.copy()
        return np.full((len(queries), 2), 7.0)


def test_umap_is_asked_for_one_thread_and_made_again_for_new_rows(digits, monkeypatch):
    """With a seed, random starts of other seeds, and a model that is told where the rows lie and does not move them."""
    Pretended.made.clear()
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Pretended))
    settings = settings_for(60, "umap", neighbours=10, seed=4)
    layout = map_rows(digits[:60], settings)
    random_maps(digits[:60], settings, 2)
    first, *others = (one.settings for one in Pretended.made)
    assert (first["random_state"], first["n_jobs"], first["n_neighbors"], first["init"]) == (4, 1, 10, "spectral")
    assert {one["init"] for one in others} == {"random"}
    assert len({one["random_state"] for one in (first, *others)}) == 3
    found = place_rows(layout, digits[:60], digits[60:65], settings)
    assert (found == 7).all()
    placing = Pretended.made[-1]
    np.testing.assert_array_equal(placing.asked, layout.places)
    assert (placing.settings["n_epochs"], placing.n_epochs) == (0, None)


@pytest.mark.slow
def test_real_umap_takes_rows_of_the_map_near_their_places(digits):
    """By umap-learn's transform on a model that is made again. Most of the time it is being compiled."""
    pytest.importorskip("umap")
    settings = settings_for(100, "umap", neighbours=10)
    x = digits[:100]
    layout = map_rows(x, settings)
    assert trustworthiness(x, layout.places, n_neighbors=5) > 0.9
    found = place_rows(layout, x, x[:30], settings)
    off = np.linalg.norm(found - layout.places[:30], axis=1)
    assert np.median(off) < 0.25 * layout.places.std()
