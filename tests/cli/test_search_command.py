"""`boda search` grown: conditions, several examples, an index, and why two images are alike."""

import numpy as np
import pytest

from spoken import one_line, one_object


def test_a_condition_says_how_many_images_meet_it(run, heads):
    """One line after the hits; a wrong one is one line on stderr that names the place."""
    said = run("search", heads.path, "--row", "red 0.png", "--where", "colour == 'green' and iso > 0", "-k", "2")
    assert said.exit_code == 0, said.output
    assert [line.split()[1] for line in said.stdout.splitlines()[1:3]] == ["green", "green"]
    count = sum(row["colour"] == "green" and row["iso"] > 0 for row in heads.frame().to_pylist())
    assert f"{count} images meet the condition; all of them were compared" in said.stdout
    line = one_line(run("search", heads.path, "--row", "red 0.png", "--where", "color == 'green'"))
    assert line == "boda: where, at character 1 (\"color == 'green'\"): no column 'color'. There is: colour"


def test_examples_are_given_several_times(run, heads):
    """Wanted and unwanted, rows and files; at least one is wanted."""
    photos = heads.path.parent / "photos"
    asked = ("--row", "red 0.png", "--row", "red 1.png", "--image", photos / "red 2.png", "--less-row", "blue 0.png")
    record = one_object(run("search", heads.path, *asked, "--less-image", photos / "blue 1.png", "-k", "3", "--json"))
    assert len(record["given"]) == 5
    assert all(hit["key"].startswith("red") or "copy" in hit["key"] for hit in record["hits"])
    wrong = run("search", heads.path, "--less-row", "red 0.png")
    assert wrong.exit_code == 2
    assert "Give --row KEY" in wrong.stderr


def test_an_approximate_answer_says_its_recall(run, scored, monkeypatch):
    """With its interval, and of how many rows; an exact one says nothing of the kind."""
    pytest.importorskip("usearch")
    monkeypatch.setattr("boda.retrieval.index.QUERIES", 25)
    said = run("search", scored.path, "--row", "00003.png", "--recipe", "plain", "--approximate").stdout
    assert "Approximate: the index finds 100.0 % (" in said
    assert "of the 20 nearest, asked for 25 rows" in said
    assert "Approximate" not in run("search", scored.path, "--row", "00003.png", "--recipe", "plain").stdout


def test_from_a_size_on_an_exact_answer_says_that_there_is_an_index(run, scored, monkeypatch):
    """It stays exact; a smaller one, a condition and the index itself do not say so."""
    asked = ("search", scored.path, "--row", "00003.png", "--recipe", "plain")
    rows = len(scored.features("plain"))
    monkeypatch.setattr("boda.pipelines.search.LARGE", rows)
    plain = run(*asked).stdout
    assert f"All {rows} images were compared; --approximate asks an index instead, which may miss some" in plain
    monkeypatch.setattr("boda.pipelines.search.LARGE", rows + 1)
    assert run(*asked).stdout == plain.replace(plain.splitlines()[-2] + "\n", "")


def test_it_explains_two_images(run, heads):
    """Likeness beside that of random pairs, ranks, dimensions, and why there are no places."""
    lines = run("search", heads.path, "--explain", "red 0.png", "red 1.png").stdout.splitlines()
    assert lines[0].startswith("likeness 0.9")
    assert "of two random images" in lines[0] and "(90 %)" in lines[0]
    assert lines[1].startswith("less the mean of all images ")
    assert "of 24 images the second is number" in lines[2]
    assert lines[3].split()[:2] == ["dimension", "adds"]
    assert lines[-2].startswith("these 10 of 2,020 dimensions add ")
    assert lines[-1] == "no places: handmade:hog-colour does not tell what it finds at which place"
    record = one_object(run("search", heads.path, "--explain", "red 0.png", "red 1.png", "--json"))
    assert len(record["dimensions"]) == 10
    assert np.isfinite(record["likeness"])


def test_explaining_takes_two_images_and_no_query(run, heads):
    """Usage errors name what is too much; an image and itself is refused."""
    for more in (("--row", "red 0.png"), ("--where", "iso > 0"), ("--approximate",), ("-k", "3")):
        wrong = run("search", heads.path, "--explain", "red 0.png", "red 1.png", *more)
        assert wrong.exit_code == 2
        assert f"no {more[0]}" in wrong.stderr
    line = one_line(run("search", heads.path, "--explain", "red 0.png", "red 0.png"))
    assert line == "boda: an image is like itself in everything: name two"
