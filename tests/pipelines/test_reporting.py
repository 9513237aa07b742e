"""The page of a head: drawings that suit its target, and its worst errors as pictures, worst first."""

import base64
import html
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import Refused
from boda.evaluation.calibration import cross_fitted
from boda.heads.target import Target
from boda.heads.trees import load_tree
from boda.pipelines.heads.worst import errors_of
from boda.pipelines.train import train
from synthetic import synthetic_workspace


def drawings(page: Path) -> list[str]:
    """What the drawings of a page say to those who do not see them."""
    found = re.findall(r'<img src="data:image/svg[^"]*" alt="([^"]*)"', page.read_text("utf-8"))
    return [html.unescape(words) for words in found]


def tiles(page: Path) -> list[tuple[str, str, str]]:
    """Of each picture in a gallery its WebP file in base64 ("" where there is none), caption and note."""
    shown = re.findall(
        r'<figure class="tile">\s*(?:<img src="data:image/webp;base64,([^"]*)"[^>]*>|<div class="absent".*?</div>)\s*'
        r'<figcaption><span class="name">([^<]*)</span><span class="note">([^<]*)</span>',
        page.read_text("utf-8"),
    )
    return [tuple(map(html.unescape, one)) for one in shown]  # type: ignore[misc]


def labelled(workspace, tmp_path, **columns):
    """Join columns to the images of a workspace, in the order of its keys; the file that is no image gets none."""
    keys = [key for key in workspace.keys() if key != "broken.jpg"]  # noqa: SIM118 - not a mapping
    names = list(columns)
    lines = [f'"{key}",' + ",".join(str(columns[name][row]) for name in names) for row, key in enumerate(keys)]
    (tmp_path / "given.csv").write_text("\n".join(["key," + ",".join(names), *lines]), "utf-8")
    boda.label(workspace, tmp_path / "given.csv")
    return keys


def test_a_class_has_its_confusion_and_its_surest_mistakes(workspace, tmp_path):
    """Wrong answers as pictures, the surest first, with true and predicted class; the calibration is the other folds'."""
    rng = np.random.default_rng(3)
    keys = labelled(workspace, tmp_path, animal=rng.permutation(["cat"] * 7 + ["dog"] * 6))
    head = train(workspace, "animal", folds=3, page=tmp_path / "animal.html")
    points = cross_fitted(head.trained.out_of_fold, _truth(workspace, "animal"), head.trained.folds)
    said, sure = points.argmax(axis=1), points.max(axis=1)
    wrong = np.flatnonzero(said != _truth(workspace, "animal"))
    assert 3 < len(wrong) < 13
    expected = [keys[row] for row in wrong[np.argsort(-sure[wrong], kind="stable")]]
    found = tiles(tmp_path / "animal.html")
    assert [caption for _, caption, _ in found] == expected
    assert all(re.fullmatch(r"true: (cat|dog)\nsaid: (cat|dog), \d.* %", note) for _, _, note in found)
    with Image.open(BytesIO(base64.b64decode(found[0][0]))) as picture:
        assert picture.size == (48, 48)  # no larger than the images, which are 48 x 40
        middle = np.asarray(picture.convert("RGB"))[24, 24]
    with Image.open(tmp_path / "photos" / expected[0]) as image:
        np.testing.assert_allclose(middle, np.asarray(image)[18:23, 22:27].mean(axis=(0, 1)), atol=30)
    words = " ".join(drawings(tmp_path / "animal.html"))
    assert "Confusion matrix of 2 classes" in words
    assert "Reliability curve of 13 rows" in words
    assert "Rows of 2 classes" in words


def _truth(workspace, name):
    values = [value for value in workspace.frame()[name].to_pylist() if value is not None]
    return np.unique(values, return_inverse=True)[1]


def test_a_number_has_its_band_its_histogram_and_its_largest_errors(workspace, tmp_path):
    """Pictures are in the order of the distance between truth and prediction."""
    rng = np.random.default_rng(4)
    keys = labelled(workspace, tmp_path, score=rng.normal(size=13).round(3))
    head = train(workspace, "score", folds=3, page=tmp_path / "score.html")
    truth = np.array([value for value in workspace.frame()["score"].to_pylist() if value is not None])
    order = np.argsort(-np.abs(truth - head.trained.out_of_fold[:, 0]), kind="stable")
    found = tiles(tmp_path / "score.html")
    assert [caption for _, caption, _ in found] == [keys[row] for row in order]
    assert found[0][2].startswith("true ")
    words = drawings(tmp_path / "score.html")
    assert words[0].startswith("Predicted against true score of 13 rows")
    assert words[1].startswith("Histogram of score: 13 rows")


def test_images_that_have_gone_leave_their_place_and_reason(workspace, tmp_path):
    """One that is no longer readable says why, and so does each where the whole folder is gone."""
    rng = np.random.default_rng(5)
    labelled(workspace, tmp_path, score=rng.normal(size=13).round(3))
    (tmp_path / "photos" / "red 0.png").write_bytes(b"no image any more")
    train(workspace, "score", folds=3, page=tmp_path / "one.html")
    notes = {caption: (data, note) for data, caption, note in tiles(tmp_path / "one.html")}
    assert notes["red 0.png"][0] == ""
    assert "identify/not_an_image" in notes["red 0.png"][1]
    assert notes["red 1.png"][0] != ""
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    train(workspace, "score", folds=3, page=tmp_path / "none.html")
    gone = {(data, note.splitlines()[-1]) for data, _, note in tiles(tmp_path / "none.html")}
    assert gone == {("", "read/missing: No such file or directory")}


def test_labels_ratings_and_votes_have_their_drawings(tmp_path):
    """Each kind of target has the drawings that suit it, and sentences on its worst errors."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(60, 4))
    columns = {
        "is_cat": (x[:, 0] > 0).astype(int).tolist(),
        "is_dog": (x[:, 1] > 0.5).astype(int).tolist(),
        **{f"count_{star}": rng.poisson(3, 60).tolist() for star in (1, 2, 3)},
        **{f"smooth-or-featured_{answer}": rng.poisson(9, 60).tolist() for answer in ("smooth", "featured")},
    }
    tree = tmp_path / "tree.toml"
    tree.write_text('name = "one"\n[[question]]\nname = "smooth-or-featured"\nanswers = ["smooth", "featured"]\n')
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, columns)
    for target, options in {
        "is_*": {},
        "count_*": {},
        "votes": {"tree": str(tree)},
    }.items():
        page = tmp_path / f"{target[:5]}.html"
        train(workspace, target, **options, page=page, name="x")
        assert tiles(page)
    assert drawings(tmp_path / "is_*.html")[0].startswith("Rows of 2 classes: is_")
    ratings = drawings(tmp_path / "count.html")
    assert ratings[0].startswith("Predicted against true mean of count_* of 60 rows")
    votes = drawings(tmp_path / "votes.html")
    assert votes[0].startswith("Confusion matrix of 2 classes")
    assert votes[1].startswith("Predicted against true fraction of smooth")
    assert "people: " in tiles(tmp_path / "votes.html")[0][2]
    assert "said with" in tiles(tmp_path / "is_*.html")[0][2]


def test_the_wrongest_label_counts_and_unknown_ones_do_not():
    """Of labels the wrong side of a half counts; what nobody said is no error."""
    target = Target("labels", "x", np.array([[1, np.nan], [0, 1], [0, 0]]), ("cat", "dog"))
    errors = errors_of(None, target, np.array([[0.9, 0.9], [0.8, 0.3], [0.4, 0.2]]))  # type: ignore[arg-type]
    np.testing.assert_allclose(errors.size, [0, 0.8, 0])
    assert errors.lines(1) == ("is not: cat", "said with 80 %")


def test_votes_of_few_people_are_no_errors():
    """A fraction of two people says little; distances are halved sums, so at most 1."""
    tree = load_tree("gz2")
    values = np.zeros((4, len(tree.columns)))
    values[:, :3] = [[2, 0, 0], [40, 0, 0], [0, 40, 0], [20, 20, 0]]
    points = np.full(values.shape, 0.5)
    points[:, :3] = [0, 1, 0]
    target = Target("votes", "x", values, tree.columns, tree=tree)
    errors = errors_of(None, target, points)  # type: ignore[arg-type]
    np.testing.assert_allclose(errors.size, [0, 1, 0, 0.5])


def test_a_page_can_be_left_out_and_is_beside_the_workspace_else(tmp_path):
    """In Python as on the command line: a path, by default NAME-train/HEAD.html, or none."""
    x = np.random.default_rng(7).normal(size=(30, 3))
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": x[:, 0].tolist()})
    train(workspace, "y", page=False)
    assert not (tmp_path / "w-train").exists()
    train(workspace, "y", name="fine")
    assert (tmp_path / "w-train" / "fine.html").is_file()
    with pytest.raises(Refused, match=r"ends in \.html"):
        train(workspace, "y", page=tmp_path / "page")
