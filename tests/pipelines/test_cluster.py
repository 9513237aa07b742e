"""Groups are found, measured, kept and written; what makes no sense is refused before anything is computed."""

import csv
import gzip
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

import boda
from boda.clusters.stability import Effort
from boda.errors import NotFound, Refused
from boda.pipelines.cluster import KS, _ks
from boda.pipelines.clusters.cells import kept_cells
from boda.pipelines.clusters.keeping import load_clustering
from boda.workspace.workspace import create_workspace, open_workspace
from synthetic import relabel, synthetic_workspace

QUICK = Effort(halves=2, nulls=1, restarts=1)
FEWEST = Effort(halves=1, nulls=1, restarts=1)
SIZES = (50, 40, 30)
KINDS = np.repeat(["apple", "bag, small", "coat"], SIZES)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """120 images in name only: three groups far apart, which are the classes of `kind`; ten have none."""
    rng = np.random.default_rng(0)
    x = np.repeat(1.5 * rng.normal(size=(3, 30)), SIZES, axis=0) + rng.normal(size=(120, 30))
    kind = [None if row % 12 == 0 else str(name) for row, name in enumerate(KINDS)]
    columns = {"kind": kind, "score": rng.normal(size=120).tolist(), "one": ["same"] * 120}
    folder = tmp_path_factory.mktemp("groups")
    return synthetic_workspace(folder / "w.boda", {"noise": rng.normal(size=(120, 30)), "plain": x}, columns)


@pytest.fixture(scope="module")
def found(made):
    """Clusterings with 2 and 3 clusters."""
    return boda.cluster(made, [3, 2, 3], labels="kind", effort=QUICK, cells=["bag, small,1", "2"])


def strict(text):
    """JSON that a strict reader takes."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_groups_are_found_and_their_number_is_named(found):
    """Three groups far apart: the largest is cluster 0, and 3 is what the features support, not 2."""
    assert list(found.clusterings) == ["kmeans-2", "kmeans-3"]
    np.testing.assert_array_equal(found.clusterings["kmeans-3"].labels, np.repeat([0, 1, 2], SIZES))
    assert found.supported_k == 3
    assert [one["supported"] for one in found.record["clusterings"]] == [False, True]
    assert found.record["clusterings"][0]["against"]


def test_every_clustering_has_sizes_examples_silhouette_and_stability_against_nulls(found, made):
    """Medoids are the images nearest to their centre; every figure has a range."""
    told = found.as_json()["clusterings"][1]
    assert [one["rows"] for one in told["clusters"]] == list(SIZES)
    x = made.features("plain").array
    for number, one in enumerate(told["clusters"]):
        rows = np.flatnonzero(np.repeat([0, 1, 2], SIZES) == number)
        distances = np.linalg.norm(x[rows] - x[rows].mean(axis=0), axis=1)
        assert one["medoid"] == f"{rows[distances.argmin()]:05}.png"
        assert one["outliers"][0]["key"] == f"{rows[distances.argmax()]:05}.png"
        assert one["typical"][0]["distance"] == pytest.approx(distances.min(), rel=1e-4)
        assert len(one["border"]) == len(one["typical"]) == len(one["outliers"]) == 6
        assert one["jaccard"]["low"] <= one["jaccard"]["mean"] <= one["jaccard"]["high"]
    assert set(told["stability"]["nulls"]) == {"shuffled", "correlated"}
    assert told["silhouette"]["low"] <= told["silhouette"]["value"] <= told["silhouette"]["high"]


def test_classes_agree_as_scikit_learn_says(found):
    """NMI, ARI and accuracy of the rows with a class; ten rows have none and are in no cell."""
    known = np.arange(120) % 12 != 0
    for one in found.found:
        classes = one.classes
        labels = one.clustering.labels
        assert classes.table.unlabelled == 10
        assert classes.agreement["ari"].value == pytest.approx(adjusted_rand_score(KINDS[known], labels[known]))
        shared = normalized_mutual_info_score(KINDS[known], labels[known])
        assert classes.agreement["nmi"].value == pytest.approx(shared)
    assert found.found[1].classes.agreement["accuracy"].value == 1
    assert found.found[1].classes.held_out.accuracy.value == 1


def test_as_many_groups_as_classes_are_called_trivial(found):
    """Three classes in three groups are one in each by construction; in two groups they are not."""
    two, three = (one["classes"]["groups"] for one in found.record["clusterings"])
    assert (two["trivial"], three["trivial"]) == (False, True)
    assert any("trivial" in note for note in three["notes"])
    assert sorted(map(len, two["by"]["distribution"])) == [1, 2]


def test_files_have_a_row_an_image_and_a_sheet_a_cluster(found, made):
    """In NAME-cluster/ beside the workspace: tables, figures, drawings, sheets and one page."""
    folder = made.path.parent / "w-cluster"
    assert found.folder == folder
    assert found.page == folder / "kmeans.html"
    rows = rows_of(folder / "kmeans-3.csv")
    assert list(rows[0]) == ["key", "cluster", "distance", "margin", "class"]
    assert [row["key"] for row in rows] == list(made.features("plain").keys)
    assert [int(row["cluster"]) for row in rows] == np.repeat([0, 1, 2], SIZES).tolist()
    assert [row["class"] for row in rows[:3]] == ["", "apple", "apple"]
    assert all(0 < float(row["margin"]) <= 1 for row in rows)
    told = strict((folder / "kmeans.json").read_text())
    assert told.pop("made_by") == "boda cluster"
    assert told == {name: value for name, value in strict(json.dumps(found.as_json())).items() if name in told}
    assert sorted(path.name for path in (folder / "kmeans-3").iterdir()) == [f"cluster-{n}.png" for n in range(3)]
    for name in ("kmeans-stability.png", "kmeans-2-classes.png", "kmeans-3/cluster-0.png"):
        with Image.open(folder / name) as picture:
            assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 5


def test_the_page_is_self_contained_and_says_what_was_found(found):
    """No script, nothing loaded, all clusterings and what the features support."""
    page = found.page.read_text("utf-8")
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    for words in (
        "The features support 3 clusters",
        "kmeans-2: 2 clusters",
        "kmeans-3 and the classes of kind",
        "medoid",
    ):
        assert words in page


def test_they_are_kept_and_come_back_as_they_were(found, made):
    """By name, with what was measured and which class each cluster is; `boda info` can show them."""
    kept, home = load_clustering("kmeans-3", made)
    assert home is made
    np.testing.assert_array_equal(kept.labels, found.clusterings["kmeans-3"].labels)
    assert kept.class_map.names == ("apple", "bag, small", "coat")
    assert kept.facts["silhouette"] == found.record["clusterings"][1]["silhouette"]
    summary = next(one.summary for one in made.results("clustering") if one.name == "kmeans-3")
    assert (summary["k"], summary["supported"], summary["classes"]) == (3, True, "kind")


def test_cells_name_the_images_in_them(found, made):
    """Of the class x cluster table, also of a clustering that is kept; a cluster alone is all of it."""
    assert [(one.clustering, one.label, one.cluster, len(one.keys)) for one in found.cells] == [
        ("kmeans-2", "bag, small", 1, found.found[0].classes.table.counts[1, 1]),
        ("kmeans-3", "bag, small", 1, 37),
        ("kmeans-3", None, 2, 30),
    ]
    again = kept_cells(made, "kmeans-3", ["bag, small,1", "2", "none", "coat,none"])
    assert again.cells[:2] == found.cells[1:]
    assert [one.keys for one in again.cells[2:]] == [(), ()]
    names = ("apple", "bag, small", "coat")
    cells = kept_cells(made, "kmeans-3", [f"{name},{number}" for name in names for number in range(3)])
    assert sorted(key for one in cells.cells for key in one.keys) == [f"{n:05}.png" for n in range(120) if n % 12]
    for cell, words in (("shoe,1", "no 'shoe'"), ("apple,3", "only 0 to 2"), ("apple,x", "is no cell")):
        with pytest.raises((NotFound, Refused), match=words):
            kept_cells(made, "kmeans-3", [cell])


def test_the_same_seed_gives_the_same_and_nothing_is_told_by_labels(made, tmp_path, found):
    """All figures but those of classes are the same without labels."""
    alone = boda.cluster(made, [2, 3], name="again", effort=QUICK, to=tmp_path / "out", page=False)
    drop = {"classes", "name"}
    for one, other in zip(alone.record["clusterings"], found.record["clusterings"], strict=True):
        assert {k: v for k, v in one.items() if k not in drop} == {k: v for k, v in other.items() if k not in drop}
    assert alone.page is None
    assert not list((tmp_path / "out").glob("*.html"))


def test_noise_supports_no_number_of_clusters(made, tmp_path):
    """And it is said in words."""
    nothing = boda.cluster(made, [2, 3], recipe="noise", name="noise", effort=FEWEST, to=tmp_path / "out")
    assert nothing.supported_k is None
    assert "none of these numbers of clusters is supported" in nothing.page.read_text("utf-8").lower()
    assert list(nothing.clusterings) == ["noise-2", "noise-3"]


def test_images_in_no_cluster_have_a_sheet_a_column_and_no_class(tmp_path):
    """hdbscan leaves rows out, and a clustering without any cluster is told as such."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(40, 3)), rng.normal(size=(40, 3)) + 30, rng.uniform(-60, 60, (20, 3))])
    columns = {"kind": ["a"] * 40 + ["b"] * 40 + ["c"] * 20}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"plain": x}, columns)
    found = boda.cluster(workspace, method="hdbscan", labels="kind", effort=QUICK)
    loose = int((found.clusterings["hdbscan"].labels < 0).sum())
    assert 5 < loose < 30
    assert (found.folder / "hdbscan" / "none.png").exists()
    assert sum(row["cluster"] == "" for row in rows_of(found.folder / "hdbscan.csv")) == loose
    said = boda.predict(workspace, clusters="hdbscan").table().to_pylist()
    assert sum(row["cluster"] is None and row["prediction"] is None for row in said) == loose
    assert {row["reason"] for row in said if row["cluster"] is None} == {"in no cluster"}
    boda.cluster(synthetic_workspace(tmp_path / "u.boda", {"plain": rng.uniform(size=(40, 2))}, columns={"x": [1] * 40}),
                 method="hdbscan", effort=QUICK)  # fmt: skip


def test_what_somebody_changed_is_not_written_over(tmp_path, made):
    """What this wrote it may write again; a changed or foreign file only with force; nothing is computed first."""
    to = tmp_path / "out"
    to.mkdir()
    (to / "two.csv").write_text("mine")
    asked = {"method": "agglomerative", "name": "two", "effort": QUICK, "to": to}
    with pytest.raises(Refused, match=r"two\.csv: is there already.*--force"):
        boda.cluster(made, 2, **asked)
    assert {path.name for path in to.iterdir()} == {"two.csv"}
    assert (to / "two.csv").read_text() == "mine"
    boda.cluster(made, 2, **asked, force=True)
    assert (to / "two.csv").read_text().startswith('"key"')
    for place, words in ((made.path, "is a workspace"), (to / "two.csv", "is a file")):
        with pytest.raises(Refused, match=words):
            boda.cluster(made, 2, to=place)
    with pytest.raises(NotFound, match="no such folder"):
        boda.cluster(made, 2, to=tmp_path / "nowhere" / "out")


def test_no_picture_of_an_earlier_clustering_stays_beside_a_new_one(tmp_path, made):
    """Of the same name: without labels there is no table of classes, without a page none of the one before."""
    asked = {"method": "agglomerative", "name": "two", "effort": QUICK, "to": tmp_path / "out"}
    boda.cluster(made, 2, **asked, labels="kind")
    assert {"two-classes.png", "two.html"} < {path.name for path in (tmp_path / "out").iterdir()}
    boda.cluster(made, 2, **asked, page=False)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert "two.csv" in left and not left & {"two-classes.png", "two.html"}


def test_a_refusal_leaves_no_folder(tmp_path, made):
    """Also one that comes after the first looks."""
    with pytest.raises(NotFound):
        boda.cluster(made, 2, cells=["nobody,0"], labels="kind", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"k": 121}, Refused, "121 clusters of 120 images: choose a k of at most 120"),
        ({"k": [2, 1]}, Refused, "k is 1: groups begin at 2"),
        ({"k": []}, Refused, "give at least one"),
        ({"k": 3, "method": "hdbscan"}, Refused, "hdbscan finds the number of clusters itself: leave out -k"),
        ({"k": 3, "method": "kmedoids"}, Refused, "kmedoids.*choose one of kmeans"),
        ({"k": 3, "labels": "kindd"}, NotFound, "no column 'kindd'. There is: kind"),
        ({"k": 3, "labels": "score"}, Refused, "'score' has 120 different values in 120 rows"),
        ({"k": 3, "labels": "one"}, Refused, "'one' has 1 different values"),
        ({"k": 3, "recipe": "clip"}, NotFound, "no features of recipe 'clip'"),
        ({"k": 3, "name": "a/b"}, Refused, "'a/b' is no name for a clustering"),
        ({"k": 3, "classes_by": "vote"}, Refused, "classes_by is 'vote'"),
        ({"k": 3, "restarts": 0}, Refused, "restarts is 0"),
        ({"k": 3, "class_groups": 0}, Refused, "class_groups is 0"),
        ({"k": 2.5}, Refused, "k is 2.5: give a whole number"),
        ({"k": "3"}, Refused, "k is '3': give a whole number"),
        ({"k": 3, "cells": ["bag"]}, Refused, "'bag' is no cell"),
        ({"k": 3, "cells": ["7"]}, NotFound, "no cluster 7, only 0 to 2"),
        ({"k": 3, "cells": ["apple,1"]}, Refused, "say which column with --labels"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(made, tmp_path, asked, error, words):
    """What, where, and what to do; nothing is written."""
    with pytest.raises(error, match=words) as told:
        boda.cluster(made, effort=QUICK, to=tmp_path / "out", **asked)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_cells_that_are_not_there_are_told_before_stability_is_looked_for(made, tmp_path, monkeypatch):
    """A misspelt class costs no hour."""

    def never(*_, **__):
        raise AssertionError("computed before it was refused")

    monkeypatch.setattr("boda.pipelines.cluster.sweep", never)
    with pytest.raises(NotFound, match="has no 'aple'"):
        boda.cluster(made, 3, labels="kind", cells=["aple,1"], to=tmp_path / "out")


def test_unasked_only_what_the_images_can_have_is_looked_for():
    """Not more clusters than different images, nor mixtures of too few; where there is nothing, what is needed is said."""
    many, few, same = np.arange(45.0)[:, None], np.repeat(np.eye(3), 10, axis=0), np.ones((9, 3))
    assert _ks(None, "kmeans", many) == list(KS)
    assert _ks(None, "kmeans", few) == [2, 3]
    assert _ks(None, "gmm", many) == [2, 3, 4]
    for method, words in (("kmeans", r"9 images .* 4 or more, not all"), ("gmm", "20 or more")):
        with pytest.raises(Refused, match=words):
            _ks(None, method, same)


def test_numpys_numbers_are_numbers(made, tmp_path):
    """Of clusters, seeds and restarts, as a notebook has them; what is kept is plain JSON."""
    asked = {"seed": np.int64(1), "restarts": np.int64(2), "effort": FEWEST, "page": False, "to": tmp_path / "out"}
    found = boda.cluster(made, np.arange(2, 4), name="whole", **asked)
    assert [one["k"] for one in strict(json.dumps(found.as_json()))["clusterings"]] == [2, 3]
    assert list(boda.cluster(made, np.int64(2), name="one", **asked).clusterings) == ["one"]


@pytest.mark.parametrize("place", ["whole/cluster-0.png", "whole/cluster-1.png", "whole"])
def test_nothing_is_kept_where_a_sheet_of_somebody_else_is_in_the_way(tmp_path, place):
    """The workspace and the folder belong together: either both have the clustering, or neither."""
    rng = np.random.default_rng(0)
    there = synthetic_workspace(tmp_path / "w.boda", {"plain": rng.normal(size=(24, 3))}, {"x": [1] * 24})
    mine = tmp_path / "out" / place
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(Refused, match=r"is there already|is a file where a folder must be"):
        boda.cluster(there, 2, name="whole", effort=FEWEST, to=tmp_path / "out")
    assert mine.read_text() == "mine"
    assert there.results("clustering") == []
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


def test_a_workspace_without_features_is_refused(tmp_path, made):
    """Nothing was embedded: the line says how."""
    with pytest.raises(NotFound, match="boda embed"):
        boda.cluster(create_workspace(tmp_path / "empty.boda"), 2)


def test_real_images_are_on_the_sheets_and_on_the_page(workspace):
    """Red, green and blue photographs: each cluster's sheet is of its colour, and bad images are in none."""
    found = boda.cluster(workspace, 3, effort=QUICK)
    clustering = found.clusterings["kmeans-3"]
    colours = {key: key.partition(" ")[0] for key in clustering.keys}
    colours["사진, copy.png"] = "red"
    for number in range(3):
        inside = {
            colours[key] for key, label in zip(clustering.keys, clustering.labels, strict=True) if label == number
        }
        assert len(inside) == 1
        with Image.open(found.folder / "kmeans-3" / f"cluster-{number}.png") as picture:
            middle = np.asarray(picture)[90, 60]
        assert ("red", "green", "blue")[int(middle.argmax())] in inside
    assert found.page.read_text("utf-8").count("data:image/webp") == 3 * 7
    assert "broken.jpg" not in (found.folder / "kmeans-3.csv").read_text("utf-8")


def test_new_images_get_clusters_and_classes(workspace, photos, tmp_path):
    """The same photograph gets its cluster again wherever it lies; a bad one has its reason."""
    colours = {key: key.partition(" ")[0] for key in open_workspace(workspace.path).keys()}  # noqa: SIM118
    relabel(workspace, colour=[colours[key] if key.endswith("0.png") else None for key in sorted(colours)])
    found = boda.cluster(workspace, 3, labels="colour", effort=QUICK)
    there = boda.predict(workspace, clusters="kmeans-3")
    assert there.clusters[there.clusters >= 0].tolist() == found.clusterings["kmeans-3"].labels.tolist()
    Image.new("RGB", (48, 40), (190, 60, 40)).save(photos / "never seen.png")
    fresh = boda.predict(photos, clusters=f"{workspace.path}/kmeans-3").table().to_pylist()
    by_key = {row["key"]: row for row in fresh}
    for row in there.table().to_pylist():
        assert by_key[row["key"]]["cluster"] == row["cluster"]
        assert by_key[row["key"]]["trained_on"] == (row["cluster"] is not None)
    assert (by_key["never seen.png"]["prediction"], by_key["never seen.png"]["trained_on"]) == ("red", False)
    assert by_key["green 3.png"]["prediction"] == "green"
    assert by_key["broken.jpg"]["reason"].startswith("identify/not_an_image")
    handed = boda.predict(photos / "blue 1.png", clusters=found.clusterings["kmeans-3"]).table().to_pylist()
    assert (handed[0]["prediction"], handed[0]["trained_on"]) == ("blue", None)


def test_of_real_clothes_shoes_are_one_half_and_ten_clusters_are_as_good_as_published(boda_data, tmp_path):
    """600 test images of Fashion-MNIST by their raw pixels; of all 10,000 the accuracy at k = 10 is 0.491."""
    folder = boda_data / "fashion_mnist"
    with (
        gzip.open(folder / "t10k-images-idx3-ubyte.gz") as images,
        gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as labels,
    ):
        x = np.frombuffer(images.read(16 + 600 * 784), np.uint8, offset=16).reshape(-1, 784) / 255
        label = np.frombuffer(labels.read(8 + 600), np.uint8, offset=8).tolist()
    workspace = synthetic_workspace(tmp_path / "w.boda", {"raw": x}, {"label": label})
    found = boda.cluster(workspace, [2, 10], labels="label", class_groups=2, effort=FEWEST, page=False)
    two, ten = (one["classes"] for one in found.record["clusterings"])
    assert two["groups"]["by"]["distribution"] == [["0", "1", "2", "3", "4", "6", "8"], ["5", "7", "9"]]
    assert ten["agreement"]["accuracy"]["value"] == pytest.approx(0.491, abs=0.05)
    assert ten["agreement"]["nmi"]["value"] == pytest.approx(0.516, abs=0.05)
    assert ten["held_out"]["accuracy"]["low"] > 3 * ten["held_out"]["baseline"]["high"]


@pytest.mark.usefixtures("found")
def test_other_features_get_no_clusters(made, workspace):
    """A workspace without features of the same recipe, and features that nobody can make."""
    with pytest.raises(NotFound, match="no features of recipe"):
        boda.predict(workspace, clusters=f"{made.path}/kmeans-3")
    with pytest.raises(Refused):
        boda.predict(workspace.path.parent / "photos", clusters=f"{made.path}/kmeans-3")
    with pytest.raises(NotFound, match=r"has: .*kmeans-3"):
        boda.predict(made, clusters="kmeans-33")
    with pytest.raises(NotFound, match=r"give W\.boda/NAME"):
        boda.predict(workspace.path.parent / "photos", clusters="kmeans-3")
    with pytest.raises(Refused, match="either a head or clusters"):
        boda.predict(made, clusters="kmeans-3", head="kind")


def test_it_works_without_torch_and_without_the_images(workspace, photos):
    """Cached features are enough; sheets and page say why there is no picture."""
    photos.rename(photos.with_name("gone"))
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "timm", "torchvision"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import boda
from boda.clusters.stability import Effort
found = boda.cluster(sys.argv[1], 3, effort=Effort(halves=1, nulls=1, restarts=1))
print(len(boda.predict(sys.argv[1], clusters="kmeans-3")), "read/missing" in found.page.read_text("utf-8"))
"""
    command = [sys.executable, "-W", "error", "-c", code, str(workspace.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == ["14", "True"], done.stderr
