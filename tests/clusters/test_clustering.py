"""A clustering is kept as plain files, and puts rows where it put them before."""

import hashlib
import json

import numpy as np
import pytest

from boda.clusters.clustering import Clustering, find_clusters
from boda.clusters.methods import METHODS
from boda.clusters.predicting import learn_classes
from boda.errors import Damaged, NewerFormat, Refused
from boda.recipe import Recipe

RECIPE = Recipe("handmade:hog-colour", "", "pooled", "none", None, name="hog")


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(120, 5)) + 6 * np.eye(5)[np.arange(120) % 3]).astype(np.float32)


def found(features: np.ndarray, method: str = "kmeans") -> Clustering:
    k = 3 if METHODS[method].takes_k else None
    keys = [f"photo{row}.jpg" for row in range(118)] + ["caf\udce9.jpg", "bytes:00"]
    return find_clusters(features, method, k, keys=keys, recipe=RECIPE, seed=7, restarts=2)


@pytest.mark.parametrize("method", METHODS)
def test_it_survives_its_files(features, method):
    """New rows and old ones go to the same clusters, at the same distances, as before."""
    before = found(features, method)
    after = Clustering.from_files(before.files(), "here")
    assert list(after.keys) == list(before.keys)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert after.as_json() == before.as_json()
    new = features[::3] + np.float32(0.3)
    for one, two in zip(before.assign(new, recipe=RECIPE.id), after.assign(new, recipe=RECIPE.id), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(after.assign(features, recipe=RECIPE.id)[0], before.labels)


def test_files_are_plain_arrays_and_json(features):
    """Anything that reads npy reads the labels; nothing is pickled."""
    files = found(features).files()
    assert sorted(files) == ["clustering.json", "keys.json", "labels.npy", "rule.centres.npy"]
    assert files["labels.npy"].startswith(b"\x93NUMPY")
    assert json.loads(files["keys.json"])[118:] == [{"bytes": b"caf\xe9.jpg".hex()}, "bytes:00"]


def test_what_was_learned_and_measured_is_kept(features):
    """The map to classes, and facts; NaN becomes null."""
    from dataclasses import replace

    one = found(features)
    told = learn_classes(one.labels, np.arange(120) % 3, ("a", "b", "c"), k=3)
    after = Clustering.from_files(replace(one, class_map=told, facts={"silhouette": np.nan}).files(), "here")
    assert after.class_map is not None and after.class_map.of == told.of
    assert after.facts == {"silhouette": None}


def test_other_features_are_refused(features):
    """Another recipe, another width, a row that is not finite."""
    one = found(features)
    with pytest.raises(Refused, match="found in hog"):
        one.assign(features, recipe="0" * 16)
    with pytest.raises(Refused, match="width 5"):
        one.assign(features[:, :4], recipe=RECIPE.id)
    with pytest.raises(Refused, match="NaN"):
        one.assign(np.full((1, 5), np.nan, np.float32), recipe=RECIPE.id)
    with pytest.raises(Refused, match="keys"):
        find_clusters(features, "kmeans", 2, keys=["a"], recipe=RECIPE, seed=0)


def test_the_seed_decides(features):
    """And nothing else: two runs are the same files."""
    assert found(features).files() == found(features).files()


def changed(files: dict[str, bytes], **record: object) -> dict[str, bytes]:
    """With other words in the record."""
    return rewritten(files, record)


def rewritten(files: dict[str, bytes], record: dict[str, object]) -> dict[str, bytes]:
    told = json.loads(files["clustering.json"]) | record
    return files | {"clustering.json": json.dumps(told).encode()}


def resigned(files: dict[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
    """With another file, whose digest is right."""
    digests = json.loads(files["clustering.json"])["files"] | {name: hashlib.sha256(data).hexdigest()}
    return rewritten(files | {name: data}, {"files": digests})


def test_a_newer_format_is_said(features):
    """Not guessed at."""
    with pytest.raises(NewerFormat, match="update boda"):
        Clustering.from_files(changed(found(features).files(), format=2), "here")


@pytest.mark.parametrize("method", ["kmeans", "gmm", "hdbscan"])
def test_damage_is_said(features, method):
    """Whatever file is missing, cut, changed or of another clustering."""
    files = found(features, method).files()
    for name in files:
        for damage in ({key: data for key, data in files.items() if key != name}, files | {name: files[name][:-9]}):
            with pytest.raises(Damaged, match="here"):
                Clustering.from_files(damage, "here")
    for record in ({"rule": "vote"}, {"width": 4}, {"format": None}, {"class_map": {"of": [0]}}, {"recipe": 3}):
        with pytest.raises(Damaged, match="here"):
            Clustering.from_files(changed(files, **record), "here")
    short, other = json.dumps(["a"]).encode(), found(features + 1, "agglomerative").files()["space.basis.npy"][:-40]
    with pytest.raises(Damaged, match="labels do not fit"):
        Clustering.from_files(resigned(files, "keys.json", short), "here")
    with pytest.raises(Damaged):
        Clustering.from_files(resigned(files, "labels.npy", other), "here")
