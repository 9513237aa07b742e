"""`boda map`: what it says, and how it refuses."""

import pytest

from spoken import one_line, one_object


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer steps than a map deserves."""
    monkeypatch.setattr("boda.maps.tsne.EXAGGERATED", 80)
    monkeypatch.setattr("boda.maps.tsne.STEPS", 120)


def test_it_says_how_far_it_can_be_trusted(run, scored, tmp_path):
    """Errors with intervals and a baseline, what the map does not show, and where it is drawn."""
    result = run("map", scored.path, "--recipe", "plain", "--colour", "kind", "--starts", "2")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("tsne: 80 images in 2 dimensions, t-SNE, perplexity 26.33, plain (")
    assert lines[1].split() == ["15", "neighbours,", "80", "images", "value", "low", "high", "PCA"]
    assert [line.split("  ")[0] for line in lines[2:5]] == ["trustworthiness", "continuity", "neighbours kept"]
    assert lines[5].startswith("2 random starts disagree on 0.")
    assert lines[6].startswith("mind: t-SNE keeps neighbours")
    assert lines[-2:] == [
        f"{kind}: {tmp_path}/scored-map/tsne.{end}" for kind, end in (("picture", "png"), ("page", "html"))
    ]


def test_json_is_one_object_and_the_same_again(run, scored):
    """With settings, errors and places of the files."""
    options = ("--method", "pca", "--recipe", "plain", "--metric", "cosine", "--json")
    first, again = (one_object(run("map", scored.path, *options)) for _ in range(2))
    assert first == again
    assert first["settings"]["metric"] == "cosine"
    assert first["measured"]["baseline"] is None
    assert first["limits"]
    assert (first["points"], first["onto"]) == (80, None)


def test_refusals_are_one_line(run, scored, tmp_path):
    """And wrong usage exits with 2."""
    assert "There is: kind" in one_line(run("map", scored.path, "--colour", "kinds"))
    assert "2 or 3" in one_line(run("map", scored.path, "--dims", "4"))
    assert "choose from 1 to 26.33" in one_line(run("map", scored.path, "--perplexity", "30"))
    assert "no map called 'old'" in one_line(run("map", scored.path, "--onto", "old"))
    assert "seed cannot be chosen" in one_line(run("map", scored.path, "--onto", "old", "--seed", "1"))
    (tmp_path / "mine.png").write_bytes(b"mine")
    assert "--force" in one_line(run("map", scored.path, "--to", tmp_path / "mine.html"))
    for wrong in (["--method", "mds"], ["--starts", "-1"], ["--seed", "x"]):
        assert run("map", scored.path, *wrong).exit_code == 2


@pytest.mark.parametrize("option", ["--to", "--name"])
def test_places_and_names(run, scored, tmp_path, option):
    """A folder for both files, or another name for the map."""
    where = tmp_path if option == "--to" else "mine"
    result = run("map", scored.path, "--method", "pca", option, where, "-q")
    assert (result.exit_code, result.stdout) == (0, "")
    folder, name = (tmp_path, "pca") if option == "--to" else (tmp_path / "scored-map", "mine")
    assert (folder / f"{name}.png").is_file()
    assert (folder / f"{name}.html").is_file()
