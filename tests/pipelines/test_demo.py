"""The demonstration from real files to the page, and again."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.demonstration.accuracy import Share
from boda.pipelines.demonstration.images import CUT_SHORT
from boda.pipelines.demonstration.learning import promise
from boda.pipelines.demonstration.story import draw_queries, verdict

ENCODER = "handmade:hog-colour"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A small demonstration: 60 digits, the photographs, the galaxies."""
    folder = tmp_path_factory.mktemp("demo") / "tour"
    return folder, boda.demo(folder, digits=60, encoder=ENCODER)


def test_listed_is_embedded_plus_quarantined(done):
    """Every file that was written is accounted for; the one cut in half is the one in quarantine."""
    folder, result = done
    written = sum(path.is_file() for path in (folder / "images").rglob("*"))
    assert result.listed == written == result.embedded + result.quarantined
    assert result.quarantined == 1
    bad = boda.open(result.workspace).quarantined(result.recipe)
    assert [(one.key, str(one.unreadable.code)) for one in bad] == [(CUT_SHORT, "truncated")]


def test_accuracy_is_that_of_scikit_learn(done):
    """The score on the page is scikit-learn's, on the features that were stored."""
    _, result = done
    features = boda.open(result.workspace).features()
    rows = [row for row, key in enumerate(features.keys) if key.startswith("digits/")]
    labels = np.array([features.keys[row].split("/")[1] for row in rows])
    classifier = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    predicted = cross_val_predict(classifier, np.asarray(features.array)[rows], labels, cv=LeaveOneOut())
    assert result.accuracy.total == 60
    assert result.accuracy.right == int((predicted == labels).sum())
    low, high = result.accuracy.interval
    assert result.baseline.value < low < result.accuracy.value < high


def test_page_is_one_small_file_that_says_what_was_found(done):
    """The page holds the counts, the score with interval and baseline, and the broken file's name and reason."""
    folder, result = done
    html = (folder / "index.html").read_text("utf-8")
    assert str(folder / "index.html") == result.page
    assert len(html) < 2_000_000
    for share in (result.accuracy, result.pixels, result.baseline, result.promised, result.kept):
        assert str(share) in html
    assert f"{result.listed:,} listed = {result.embedded:,} embedded + 1 quarantined" in html
    assert "rocket, cut in half.jpg" in html
    assert "decode/truncated" in html
    assert str(folder.parent) not in html


def test_the_head_is_tested_on_digits_it_has_not_seen(done):
    """Half of the 60 digits were learned; what it got right of the others is what `evaluate` finds on its own."""
    _, result = done
    workspace = boda.open(result.workspace)
    assert [one.name for one in workspace.results("head")] == [result.head] == ["digit"]
    found = boda.evaluate(workspace, "digit")
    assert found.trained_on == result.promised.total
    assert found.trained_on + found.unseen["rows"] == 60
    assert 25 <= found.trained_on <= 35
    assert found.unseen["metrics"]["accuracy"]["value"] == pytest.approx(result.kept.value)
    assert found.held_out["metrics"]["accuracy"]["value"] == pytest.approx(result.promised.value)
    assert result.kept.interval[0] > 0.2, "better than the largest class"


def test_the_page_shows_what_was_taken_for_what_and_the_worst_errors(done):
    """Confusion matrix, promise and what was kept, answers with probabilities, the surest mistakes as pictures."""
    folder, result = done
    html = (folder / "index.html").read_text("utf-8")
    assert str(result.promised) in html
    assert str(result.kept) in html
    assert "Confusion matrix of 10 classes" in html
    wrong = result.kept.total - result.kept.right
    section = html[html.index("What a head learns from some of them") :]
    section = section[: section.index("</section>")]
    assert f"of {wrong} that are wrong" in section
    assert section.count("data:image/webp") == 6 + min(12, wrong)
    assert section.count("possible: ") == 6 + min(12, wrong)


def test_the_head_has_its_own_report(done):
    """Beside the page lies that of the head, from the digits it learned from."""
    folder, result = done
    html = (folder / "digit.html").read_text("utf-8")
    assert '<meta name="generator" content="boda train">' in html
    assert "Confusion matrix of 10 classes" in html
    assert f"{result.promised.total}</dd>" in html
    assert str(folder.parent) not in html


@pytest.mark.parametrize(
    ("promised", "kept", "said"),
    [
        (Share(90, 100), Share(85, 100), "was kept"),
        (Share(90, 100), Share(60, 100), "was not kept"),
        (Share(60, 100), Share(90, 100), "better than it had promised"),
    ],
)
def test_a_broken_promise_is_told(promised, kept, said):
    """Kept where the intervals overlap."""
    assert said in promise(promised, kept)


def test_a_second_run_computes_nothing_and_finds_the_same(done):
    """Running it again skips every image, and the numbers are the same."""
    folder, first = done
    again = boda.demo(folder, digits=60, encoder=ENCODER)
    assert again.skipped == again.embedded == first.embedded
    assert again.accuracy == first.accuracy
    assert again.recipe == first.recipe
    assert (again.promised, again.kept) == (first.promised, first.kept)


def test_result_is_plain_json(done):
    """Each score in the JSON has its interval."""
    record = json.loads(json.dumps(done[1].as_json()))
    assert record["listed"] == record["embedded"] + record["quarantined"]
    for name in ("accuracy", "pixels", "baseline", "promised", "kept"):
        assert record[name].keys() == {"right", "total", "accuracy", "interval"}


def test_lines_say_where_the_page_is(done):
    """What the command says ends with the page, and no score stands alone."""
    result = done[1]
    lines = result.lines()
    assert lines[-1] == f"page: {result.page}"
    assert str(result.accuracy) in lines[1]
    assert str(result.baseline) in lines[2]


def test_a_folder_with_other_things_is_refused(tmp_path):
    """Somebody's files are not mixed with the demonstration's."""
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(Refused, match="holds other things"):
        boda.demo(tmp_path, digits=1, encoder=ENCODER)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    """A path that is a file is not written over."""
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(Refused, match="is a file"):
        boda.demo(tmp_path / "demo", digits=1, encoder=ENCODER)


def test_galaxies_that_are_not_there_say_what_to_set(tmp_path, monkeypatch):
    """Without the data nothing is written, and the error names BODA_DATA."""
    monkeypatch.setenv("BODA_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(NotFound, match="set BODA_DATA"):
        boda.demo(tmp_path / "demo", data=True)
    monkeypatch.setenv("BODA_DATA", str(tmp_path))
    with pytest.raises(NotFound, match=r"no images\.tar .* set BODA_DATA"):
        boda.demo(tmp_path / "demo", data=True)
    assert not (tmp_path / "demo").exists()


def test_galaxies_are_scored_by_their_votes(boda_data, tmp_path, monkeypatch):
    """With the data the four classes of Galaxy Zoo 2 are scored against guessing, straight from the archive."""
    monkeypatch.setenv("BODA_DATA", str(boda_data))
    result = boda.demo(tmp_path / "demo", data=True, encoder=ENCODER)
    assert (result.listed, result.embedded, result.quarantined) == (800, 800, 0)
    assert result.baseline.right == 200
    assert result.accuracy.interval[0] > result.baseline.interval[1]
    html = (tmp_path / "demo" / "galaxies.html").read_text("utf-8")
    assert str(result.accuracy) in html
    assert str(boda_data) not in html


def test_queries_are_drawn_by_their_seed():
    """The same seed draws the same rows; each kind gets its number, or all it has."""
    kinds = ["a"] * 10 + ["b"] * 2 + [None] * 5
    first, again = (draw_queries(kinds, 3, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert {kind: len(rows) for kind, rows in first.items()} == {"a": 3, "b": 2}
    assert all(kinds[row] == kind for kind, rows in first.items() for row in rows)


def test_readme_picture_is_made_of_the_demonstration(done):
    """The script of the README's picture runs: four queries with their six neighbours each, and small."""
    path = Path(__file__).parents[2] / "recipes" / "readme_picture.py"
    script = importlib.util.module_from_spec(importlib.util.spec_from_file_location("readme_picture", path))
    script.__spec__.loader.exec_module(script)
    sheet = script.neighbours_sheet(Path(done[1].workspace))
    assert sheet.width > 7 * script.SIDE
    assert sheet.height > 4 * script.SIDE


@pytest.mark.parametrize(
    ("features", "pixels", "said"),
    [
        (Share(95, 100), Share(60, 100), "better than their pixels"),
        (Share(60, 100), Share(95, 100), "bare pixels do better"),
        (Share(60, 100), Share(58, 100), "overlap"),
    ],
)
def test_the_page_says_which_is_better_only_where_the_intervals_are_apart(features, pixels, said):
    """Features are praised only where they are shown to be better than bare pixels."""
    assert said in verdict(features, pixels, "digits")
