"""`boda cluster` and `boda predict --clusters`: what they say, as words and as JSON, and wrong usage."""

import csv

import numpy as np
import pytest

from boda.clusters import stability
from boda.pipelines import cluster as pipeline
from spoken import one_line, one_object
from synthetic import synthetic_workspace

SIZES = (30, 20, 16)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Each clustering is found again a few times only."""
    effort = stability.Effort(halves=2, nulls=1, restarts=1)
    monkeypatch.setattr(
        pipeline, "sweep", lambda *given, **named: stability.sweep(*given, **named | {"effort": effort})
    )


@pytest.fixture
def grouped(tmp_path):
    """66 images in name only, in three groups; `kind` knows the first from the others."""
    rng = np.random.default_rng(0)
    x = np.repeat(1.5 * rng.normal(size=(3, 30)), SIZES, axis=0) + rng.normal(size=(66, 30))
    columns = {"kind": ["apple"] * 30 + ["pear"] * 36}
    return synthetic_workspace(tmp_path / "w.boda", {"plain": x}, columns)


def test_it_says_what_is_supported_what_is_in_each_cluster_and_where_the_files_are(run, grouped):
    """Stability beside its nulls, sizes and medoids, the table of classes with intervals, cells, files and page."""
    result = run("cluster", grouped.path, "-k", "2,3", "--labels", "kind", "--class-groups", "2", "--cell", "pear,1")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("66 images, plain (")
    assert lines[1].split() == [
        "k",
        *["halves", "agree", "low", "high", "shuffled", "correlated", "seeds", "agree", "silhouette"],
    ]
    for words in (
        "the features support 3 clusters",
        "not 2: ",
        "kind",
        "own class held out: 100.0 % right",
        "mind: trivial",
    ):
        assert words in result.stdout
    assert "kmeans-3, pear in cluster 1: 20 images" in lines
    assert "  00030.png" in lines
    assert "kept as: kmeans-2, kmeans-3" in lines
    assert f"page: {grouped.path.parent / 'w-cluster' / 'kmeans.html'}" in lines
    info = run("info", grouped.path)
    assert "kmeans-3" in info.stdout
    assert "clustering" in info.stdout


def test_json_is_one_object_without_nan(run, grouped, tmp_path):
    """All figures, the cells that were asked for, and where files are; without a page it is null."""
    options = ("--json", "--no-page", "--to", tmp_path / "out", "--name", "mine", "--seed", "3")
    record = one_object(run("cluster", grouped.path, "-k", "3", *options, "--cell", "2"))
    assert (record["page"], record["folder"], record["seed"]) == (None, str(tmp_path / "out"), 3)
    assert (record["supported_k"], record["labels"]) == (3, None)
    assert [one["name"] for one in record["clusterings"]] == ["mine"]
    assert [one["rows"] for one in record["clusterings"][0]["clusters"]] == list(SIZES)
    assert record["cells"] == [
        {"clustering": "mine", "class": None, "cluster": 2, "keys": [f"{row:05}.png" for row in range(50, 66)]}
    ]


def test_kept_clusters_list_their_cells_and_take_new_images(run, grouped, tmp_path):
    """Without computing anything; and as a table with clusters, distances and classes."""
    assert run("cluster", grouped.path, "-k", "3", "--labels", "kind", "-q").output == ""
    listed = run("cluster", grouped.path, "--clusters", "kmeans-3", "--cell", "pear,2", "--cell", "apple,2")
    assert listed.stdout.splitlines()[0] == "kmeans-3, pear in cluster 2: 16 images"
    assert listed.stdout.splitlines()[-1] == "kmeans-3, apple in cluster 2: 0 images"
    record = one_object(run("cluster", grouped.path, "--clusters", "kmeans-3", "--cell", "0", "--json"))
    assert [len(one["keys"]) for one in record["cells"]] == [30]
    said = run("predict", grouped.path, "--clusters", "kmeans-3", "--to", tmp_path / "p.csv")
    assert said.stdout.splitlines()[0].split() == ["key", "cluster", "distance", "prediction"]
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["key", "cluster", "distance", "prediction", "trained_on", "reason"]
    assert [row["cluster"] for row in rows] == [str(number) for number in np.repeat([0, 1, 2], SIZES)]
    assert [row["prediction"] for row in rows] == ["apple"] * 30 + ["pear"] * 36
    told = one_object(run("predict", grouped.path, "--clusters", "kmeans-3", "--json"))
    assert (told["clusters"], told["target"], told["predictions"][0]["cluster"]) == ("kmeans-3", "kind", 0)


@pytest.mark.parametrize(
    "options",
    [
        ["-k", "2;5"],
        ["-k", "few"],
        ["-k", "2,,5"],
        ["-k", "-3"],
        ["--method", "kmedoids"],
        ["--clusters", "kmeans-3"],
        ["--clusters", "kmeans-3", "--cell", "0", "-k", "3"],
        ["--restarts", "0"],
        ["--class-groups", "0"],
    ],
)
def test_wrong_options_are_wrong_usage(run, grouped, options):
    """Exit 2, nothing on stdout, and nothing is made."""
    result = run("cluster", grouped.path, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert not (grouped.path.parent / "w-cluster").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-k", "67"], "67 clusters of 66 images: choose a k of at most 66"),
        (["-k", "3", "--method", "hdbscan"], "hdbscan finds the number of clusters itself: leave out -k"),
        (["-k", "3", "--labels", "kinds"], "no column 'kinds'. There is: kind"),
        (["-k", "3", "--recipe", "clip"], "no features of recipe 'clip'"),
        (["--clusters", "kmeans-3", "--cell", "0"], "no clusterings; make one with boda cluster"),
    ],
)
def test_refusals_are_one_line(run, grouped, options, words):
    """What, where, and what to do."""
    assert words in one_line(run("cluster", grouped.path, *options))


def test_predict_takes_a_head_or_clusters(run, grouped):
    """Not both, and no options of a classifier."""
    for options in (["--head", "x"], ["--topk", "3"], ["--from", "t.csv"]):
        assert run("predict", grouped.path, "--clusters", "kmeans-3", *options).exit_code == 2


def test_an_empty_workspace_and_no_workspace_are_one_line(run, tmp_path):
    """Nothing is there, and nothing is embedded."""
    from boda.workspace.workspace import create_workspace

    create_workspace(tmp_path / "empty.boda")
    assert "boda embed" in one_line(run("cluster", tmp_path / "empty.boda", "-k", "2"))
    assert "nowhere.boda" in one_line(run("cluster", tmp_path / "nowhere.boda", "-k", "2"))
