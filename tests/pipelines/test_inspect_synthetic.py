"""What inspect says of features and labels alone: images that exist in name only."""

import numpy as np
import pytest

import boda
from boda.errors import Refused
from boda.evaluation.proportion import share_of
from boda.pipelines.health.mislabelled import held_out
from synthetic import synthetic_workspace


def three_kinds(n: int = 150, *, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Features of three kinds, and their names."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 3
    features = 4 * np.eye(3, 80)[kinds] + 0.5 * rng.normal(size=(n, 80))
    return features, [("cat", "dog", "owl")[kind] for kind in kinds]


def test_wrong_labels_are_found_by_several_feature_sets_together(tmp_path):
    """Six labels are wrong: all are doubted, and hardly another before them, by one set and by two; the recipes are named."""
    features, names = three_kinds()
    wrong = [3, 40, 77, 90, 101, 149]
    for row in wrong:
        names[row] = {"cat": "dog", "dog": "owl", "owl": "cat"}[names[row]]
    sets = {"one": features, "two": features + np.random.default_rng(1).normal(size=features.shape)}
    workspace = synthetic_workspace(tmp_path / "w.boda", sets, {"kind": names})
    for recipe in ("one", ("one", "two")):
        found = boda.inspect(workspace, labels="kind", recipe=recipe, only=("labels",))
        (errors,) = found.findings
        planted = {f"{row:05}.png" for row in wrong}
        assert len(planted & {one.key for one in errors.images[:6]}) >= 5
        assert planted <= {one.key for one in errors.images}
        assert all(one.details["label"] != one.details["suggested"] for one in errors.images)
    assert "one, two" in errors.told_by
    assert [one.name for one in found.recipes] == ["one", "two"]


def test_a_copy_does_not_vouch_for_a_wrong_label(tmp_path):
    """Two equal files with the same wrong label are in one fold: both are doubted."""
    features, names = three_kinds()
    names[3] = names[6] = "owl"
    features[6] = features[3]
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features}, {"kind": names}, same_file={6: 3})
    folds = held_out(workspace, "kind", [workspace.recipe()])
    assert folds.material.copies[3] == folds.material.copies[6]
    found = boda.inspect(workspace, labels="kind", only=("labels",))
    assert {"00003.png", "00006.png"} <= {one.key for one in found.findings[0].images}


def test_classes_that_no_head_has_learned_are_not_judged(tmp_path):
    """The only owl of its kind is not doubted for that; it is said."""
    features, names = three_kinds()
    names[5] = "phoenix"
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features}, {"kind": names})
    (errors,) = boda.inspect(workspace, labels="kind", only=("labels",)).findings
    assert "00005.png" not in {one.key for one in errors.images}
    assert errors.judged == 149
    assert "1 image of a class that is in one fold only: not judged, since no head had learned them" in errors.notes


def test_label_errors_come_with_how_good_the_heads_are(tmp_path):
    """The share of images that heads which had not seen them call as labelled, with an interval: wherever the count is."""
    features, names = three_kinds()
    names[3] = "owl"
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features}, {"kind": names})
    (errors,) = (found := boda.inspect(workspace, labels="kind", only=("labels",))).findings
    held = held_out(workspace, "kind", [workspace.recipe()])
    right = share_of(held.probabilities.argmax(axis=1) == held.labels, groups=held.material.groups)
    assert errors.accuracy.right == right
    assert errors.as_json()["accuracy"] == right.as_json() | {"most_common": 51 / 150}
    said = "right for 98 % (95 to 99 %)"
    assert errors.notes[1:] == ()
    assert errors.notes[0].startswith(f"the heads are {said} of the images that they had not seen, as labelled; ")
    assert errors.notes[0].endswith("the most common label alone would be for 34 %")
    (kept,) = workspace.results("inspection")
    assert kept.summary["found"] == f"{len(errors.images)} label errors by heads {said}"
    assert found.page.read_text("utf-8").count(said) == 2


def test_heads_that_are_often_wrong_are_said_to_be(tmp_path):
    """Where they disagree with half of the labels, four fifths of that are their own mistakes, were a tenth wrong."""
    features, names = three_kinds(300)
    rng = np.random.default_rng(2)
    noisy = features + 6 * rng.normal(size=features.shape)
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": noisy}, {"kind": names})
    (errors,) = boda.inspect(workspace, labels="kind", only=("labels",)).findings
    apart = 1 - errors.accuracy.right.value
    assert apart > 0.3
    assert (
        f"mind: they disagree with {100 * apart:.0f} % of the labels; even if every tenth label were wrong, at least "
        f"{100 * (1 - 0.1 / apart):.0f} of 100 of these would be their own mistakes, so most of what is listed may be "
        "right"
    ) == errors.notes[1]


def test_narrow_features_tell_no_copies_and_that_is_said(tmp_path):
    """Eight numbers: near duplicates need pixels, which are not there."""
    features, names = three_kinds()
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features[:, :8]}, {"kind": names})
    found = boda.inspect(workspace)
    assert "features were not used: with 8 numbers they tell no copies" in found.skipped["near duplicates"]
    assert [one.name for one in found.findings] == ["exact duplicates", "outliers", "tiny", "odd shape"]
    with pytest.raises(Refused, match="near duplicates were not looked for"):
        boda.inspect(workspace, only=("duplicates",))


def test_labels_without_features_are_refused(tmp_path, photos):
    """A workspace that was only listed has nothing that could judge them."""
    from boda.workspace.workspace import create_workspace

    workspace = create_workspace(tmp_path / "empty.boda")
    with pytest.raises(Refused, match="no image to inspect"):
        boda.inspect(workspace, labels="kind")


def test_without_pixels_features_tell_look_alikes_and_no_copies(tmp_path):
    """Equal features of two files that nobody can look at: listed apart, with a sheet; each is a group of its own."""
    features, names = three_kinds(60)
    features[40] = features[5]
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features}, {"kind": names})
    found = boda.inspect(workspace, only=("duplicates",))
    assert found.finding("near duplicates").images == ()
    first, second = (one for one in found.finding("look-alikes").images if one.key in {"00005.png", "00040.png"})
    assert second.details["of"] == first.key
    assert second.reason == "likeness 1.000; pixels not compared"
    assert (found.folder / "look-alikes.png").is_file()
    assert len(np.unique(found.copies)) == 60
    notes = " ".join(found.finding("near duplicates").notes)
    assert "the pixels of 1 pair that features call alike could not be compared" in notes


def test_few_pictures_copied_often_are_too_few_to_judge_labels(tmp_path):
    """Copies stay in one fold, so twelve images of three pictures cannot be held out of one another: it is said."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(3, 80)), 4, axis=0) + 0.01 * rng.normal(size=(12, 80))
    workspace = synthetic_workspace(tmp_path / "w.boda", {"one": features}, {"kind": ["cat", "dog"] * 6})
    with pytest.raises(Refused, match=r"12 images with a label are 3 different pictures.*label more images"):
        boda.inspect(workspace, labels="kind", only=("labels",))
