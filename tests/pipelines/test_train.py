"""Training: from a workspace to a head that is kept, used, and told apart from features it was not made for."""

import json

import numpy as np
import pytest

import boda
from boda.errors import Damaged, NotFound, Refused
from boda.heads.inputs import FeatureInput, Inputs
from synthetic import synthetic_workspace


def numbers(tmp_path, n=160, **columns):
    """A workspace whose column y follows two features and a column, and whose class c follows another feature."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6))
    area = rng.normal(size=n) * 1e10
    y = 2 * x[:, 0] + x[:, 1] + area / 1e10 + rng.normal(size=n) * 0.3
    kind = np.where(x[:, 2] + 0.3 * rng.normal(size=n) > 0, "merger", "smooth")
    given = {"y": y.tolist(), "kind": kind.tolist(), "area": area.tolist()}
    return synthetic_workspace(tmp_path / "numbers.boda", {"plain": x}, given | columns)


def test_a_number_is_learned_tested_and_kept(tmp_path):
    """The head is in the workspace, with metrics, intervals and the baseline beside each."""
    workspace = numbers(tmp_path)
    head = boda.train(workspace, "y", inputs=["plain", "area"])
    metrics = head.evaluation["metrics"]
    assert metrics["r2"]["low"] < metrics["r2"]["value"] < metrics["r2"]["high"]
    assert metrics["r2"]["value"] > 0.95
    assert abs(metrics["r2"]["baseline"]) < 0.1
    assert [one.name for one in workspace.results("head")] == ["y"]
    assert 0.8 < head.evaluation["conformal"]["coverage"]["value"] < 1
    json.dumps(head.evaluation, allow_nan=False)


def test_a_kept_head_predicts_as_the_one_that_was_trained(tmp_path):
    """What is read back from the workspace or a folder gives the same bits."""
    workspace = numbers(tmp_path)
    head = boda.train(workspace, "y", inputs=["plain", "area"], to=tmp_path / "head")
    by_itself = boda.predict(workspace.path, head=head).table()
    assert boda.predict(workspace.path, head="y").table().equals(by_itself)
    assert boda.predict(workspace.path, head=tmp_path / "head").table().equals(by_itself)
    assert by_itself.column_names == ["key", "prediction", "low", "high", "trained_on", "reason"]
    assert all(by_itself["trained_on"].to_pylist())


def test_numbers_image_and_both_on_the_same_folds(tmp_path):
    """With columns besides features the table says what each gives, and what shuffling each costs."""
    record = boda.train(numbers(tmp_path), "y", inputs=["plain", "area"]).evaluation
    found = {one["inputs"]: one["value"] for one in record["inputs"]}
    assert found["both"] > found["image"] > 0.5
    assert found["both"] > found["numbers"]
    both_over_numbers = next(one for one in record["differences"] if one["of"] == "both - numbers")
    assert both_over_numbers["low"] > 0
    assert both_over_numbers["value"] == pytest.approx(found["both"] - found["numbers"])
    assert {one["name"] for one in record["importance"]} == {"image", "area"}
    assert all(one["low"] > 0 for one in record["importance"])


def test_groups_are_found_and_the_gap_is_shown_unasked(tmp_path):
    """Rows of one group are alike here: random folds flatter, and the head says so."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(40), 5)
    x = rng.normal(size=(40, 30))[group] + 0.2 * rng.normal(size=(200, 30))
    y = rng.normal(size=40)[group] + 0.1 * rng.normal(size=200)
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": y.tolist(), "group": group.tolist()})
    record = boda.train(workspace, "y").evaluation
    assert record["folds"]["by"] == "group"
    gap = record["random_folds"]
    assert gap["random"]["value"] > 0.45
    assert gap["grouped"]["value"] < 0.3
    assert gap["flattered"]
    assert any("random folds" in warning for warning in record["warnings"])


def test_no_group_is_on_both_sides(tmp_path):
    """Folds by a named column keep its values whole, and copies beside their originals."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 4))
    columns = {"y": x[:, 0].tolist(), "who": [str(row // 3) for row in range(60)]}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, columns, same_file={59: 0})
    head = boda.train(workspace, "y", groups="who")
    folds = dict(zip(head.trained.keys, head.trained.folds.tolist(), strict=True))
    for first in range(0, 60, 3):
        assert len({folds[f"{row:05}.png"] for row in range(first, first + 3)}) == 1
    assert folds["00059.png"] == folds["00000.png"]


def test_a_class_of_one_group_alone_is_named(tmp_path):
    """No fold that tests on it can have learned it: whoever reads the score must know."""
    group = np.arange(60) % 12
    kind = np.where(group == 7, "rare", np.where(np.arange(60) < 30, "one", "two"))
    x = np.random.default_rng(0).normal(size=(60, 70))
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": kind.tolist(), "group": group.tolist()})
    warnings = boda.train(workspace, "y").evaluation["warnings"]
    assert any("rare: in one group of group alone" in one for one in warnings)
    assert not any("one, two" in one for one in warnings)


def test_every_figure_is_of_the_same_predictions(tmp_path):
    """The calibrated ones: the headline, `both` of the inputs, and the grouped side of the gap are one number."""
    rng = np.random.default_rng(2)
    group, x = np.arange(120) // 4, rng.normal(size=(120, 64))
    kind = np.where(x[:, 0] + rng.normal(size=120) > 0, "a", "b")
    columns = {"y": kind.tolist(), "group": group.tolist(), "size": rng.normal(size=120).tolist()}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, columns)
    record = boda.train(workspace, "y", inputs="f,size").evaluation
    headline = record["metrics"]["auc"]["value"]
    (both,) = [one["value"] for one in record["inputs"] if one["inputs"] == "both"]
    assert both == pytest.approx(headline, abs=1e-12)
    assert record["random_folds"]["grouped"]["value"] == pytest.approx(headline, abs=1e-12)


def test_groups_that_are_the_classes_are_refused(tmp_path):
    """Nothing can be learned of a class whose only group is held out."""
    rng = np.random.default_rng(2)
    columns = {"y": [("a", "b", "c")[row % 3] for row in range(60)]}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": rng.normal(size=(60, 4))}, columns)
    with pytest.raises(Refused, match="each class of 'y' is in one group of 'y' alone"):
        boda.train(workspace, "y", groups="y", folds=2)


def test_features_of_another_recipe_are_refused(tmp_path):
    """Both recipes are shown; nothing is guessed from equal widths."""
    workspace = numbers(tmp_path)
    head = boda.train(workspace, "y")
    other = Inputs((FeatureInput("plain", "0123456789abcdef", np.zeros((3, 6), np.float32)),))
    with pytest.raises(Refused, match=f"trained on plain .{head.recipes[0].id}., but these .* 0123456789abcdef"):
        head.predict(other)
    stranger = synthetic_workspace(tmp_path / "stranger.boda", {"strange": np.zeros((4, 6))}, {"y": [1.0, 2, 3, 4]})
    with pytest.raises(NotFound, match=f"no features of recipe '{head.recipes[0].id}'. There is: strange"):
        boda.predict(stranger.path, head=head)


def test_a_head_that_was_tampered_with_is_refused(tmp_path):
    """Weights of one head beside the description of another are noticed."""
    workspace = numbers(tmp_path)
    boda.train(workspace, "y", name="one", to=tmp_path / "one")
    boda.train(workspace, "area", name="two", to=tmp_path / "two")
    (tmp_path / "one" / "weights.safetensors").write_bytes((tmp_path / "two" / "weights.safetensors").read_bytes())
    with pytest.raises(Damaged, match=r"weights\.safetensors is not the one of this head"):
        boda.predict(workspace.path, head=tmp_path / "one")
    (tmp_path / "two" / "head.json").write_text("{}")
    with pytest.raises(Damaged, match="cannot be read"):
        boda.predict(workspace.path, head=tmp_path / "two")
    (tmp_path / "two" / "head.json").write_text('{"format": 99}')
    with pytest.raises(boda.BodaError, match="update boda"):
        boda.predict(workspace.path, head=tmp_path / "two")


def test_an_unknown_head_lists_those_that_are_there(tmp_path):
    """The error knows the heads of the workspace."""
    workspace = numbers(tmp_path)
    with pytest.raises(NotFound, match="no heads; make one with boda train"):
        boda.predict(workspace.path, head="nobody")
    boda.train(workspace, "y", name="somebody")
    with pytest.raises(NotFound, match="has: somebody"):
        boda.predict(workspace.path, head="nobody")


def test_training_twice_is_the_same(tmp_path):
    """A seed fixes folds, penalty and weights; another seed gives other folds."""
    workspace = numbers(tmp_path)
    once, again, other = (boda.train(workspace, "y", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once.trained.folds, again.trained.folds)
    np.testing.assert_array_equal(once.trained.out_of_fold, again.trained.out_of_fold)
    assert once.evaluation["metrics"] == again.evaluation["metrics"]
    assert (once.trained.folds != other.trained.folds).any()


def test_too_few_rows_are_refused(tmp_path):
    """Nine rows in five folds test nothing."""
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": np.eye(9)}, {"y": [float(row) for row in range(9)]})
    with pytest.raises(Refused, match="9 rows are too few for 5 folds"):
        boda.train(workspace, "y", target_kind="number")


def test_images_without_label_or_features_are_counted_out(tmp_path):
    """Left out is said, not hidden; prediction has a row for each image all the same."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 3))
    y = [None if row < 4 else float(x[row, 0]) for row in range(50)]
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": y}, without_features=5)
    head = boda.train(workspace, "y")
    assert head.evaluation["rows"] == 41
    assert head.evaluation["left_out"] == {"no features": 5, "no target": 4}
    table = boda.predict(workspace.path, head=head).table()
    assert table.num_rows == 50
    assert table["reason"].to_pylist()[-5:] == ["not embedded yet"] * 5
    assert table["prediction"].null_count == 5
    assert table["trained_on"].to_pylist() == [False] * 4 + [True] * 41 + [False] * 5


def test_the_card_says_folds_metrics_and_recipe(tmp_path):
    """Beside the weights lies what a stranger must know, with hostile names tamed."""
    workspace = numbers(tmp_path)
    boda.train(workspace, "y", name="a_head", to=tmp_path / "head")
    text = (tmp_path / "head" / "README.md").read_text()
    assert "| r2 |" in text
    assert "5 folds" in text
    assert "160 images listed, 0 of these could not be used" in text
    assert "a\\_head" in text


def test_evaluate_takes_only_rows_the_head_has_not_seen(tmp_path):
    """On its own workspace nothing is left to test; on new images it is tested, equal files left out."""
    workspace = numbers(tmp_path)
    head = boda.train(workspace, "y", to=tmp_path / "head")
    own = boda.evaluate(workspace, head)
    assert own.unseen is None
    assert own.trained_on == 160
    rng = np.random.default_rng(9)
    x = rng.normal(size=(40, 6))
    fresh = synthetic_workspace(
        tmp_path / "fresh.boda",
        {"plain": x},
        {"y": (2 * x[:, 0] + x[:, 1]).tolist()},
        same_file={row: 1000 + row for row in range(30)},
    )
    found = boda.evaluate(fresh, tmp_path / "head")
    assert found.trained_on == 10
    assert found.unseen is not None
    assert found.unseen["rows"] == 30
    assert found.unseen["metrics"]["r2"]["value"] > 0.8


def test_compare_ranks_on_the_same_folds(tmp_path):
    """The set that knows more comes first, differences to it are paired, and a picture is drawn."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, 5))
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"good": x, "noise": rng.normal(size=(150, 5))}, {"y": (x[:, 0] + x[:, 1]).tolist()}
    )
    found = boda.compare(workspace, "y", methods=["linear"])
    record = found.record
    assert record["candidates"][0]["inputs"] in (["good"], ["good", "noise"])
    assert record["candidates"][-1]["inputs"] == ["noise"]
    assert record["candidates"][-1]["to_best"]["high"] < 0
    assert {one["width"] for one in record["candidates"]} == {5, 10}
    assert len(record["candidates"]) == 6
    assert found.picture.read_bytes().startswith(b"<svg")
    json.dumps(found.as_json(), allow_nan=False)


def test_a_linear_layer_of_somebody_else_serves_its_own_features(tmp_path):
    """Features of length 1 are scored as the layer says; others are refused."""
    import torch

    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 8)).astype(np.float32)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    workspace = synthetic_workspace(tmp_path / "w.boda", {"long": 3 * unit, "unit": unit}, {"y": [1.0] * 12})
    layer = torch.nn.Linear(8, 1)
    torch.save(layer.state_dict(), tmp_path / "layer.pth")
    with pytest.raises(Refused, match="length"):
        boda.import_head(workspace, tmp_path / "layer.pth", target="score", recipe="long")
    boda.import_head(workspace, tmp_path / "layer.pth", target="score", recipe="unit", name="aesthetic")
    found = boda.predict(workspace.path, head="aesthetic").table()
    with torch.no_grad():
        expected = layer(torch.from_numpy(unit))[:, 0].numpy()
    np.testing.assert_allclose(found["prediction"].to_pylist(), expected, atol=1e-6)
    assert not any(found["trained_on"].to_pylist())


@pytest.mark.slow
def test_oasis_shows_the_gap_between_random_and_grouped_folds(boda_data, tmp_path):
    """Valence from the default features: far better with random folds than with folds by theme."""
    import tarfile

    with tarfile.open(boda_data / "oasis_ratings" / "images.tar") as archive:
        archive.extractall(tmp_path / "oasis", filter="data")
    workspace = boda.embed(tmp_path / "oasis", precision="fp32", to=tmp_path / "oasis.boda")
    boda.label(workspace, boda_data / "oasis_ratings" / "ratings.csv")
    record = boda.train(workspace, "Valence_mean").evaluation
    gap = record["random_folds"]
    assert 0.60 < gap["random"]["value"] < 0.70
    assert 0.38 < gap["grouped"]["value"] < 0.54
    assert gap["gap"]["low"] > 0
    assert record["ceiling"]["spearman"]["value"] > 0.95


def test_units_that_share_a_file_are_on_one_side(tmp_path):
    """Though they are other units, and the file is another of their images."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(80, 3))
    house = [str(row // 2) for row in range(80)]
    y = x.reshape(40, 2, 3)[:, :, 0].mean(axis=1).repeat(2)
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": x}, {"house": house, "y": y.tolist()}, same_file=dict.fromkeys(range(1, 20, 2), 0)
    )
    head = boda.train(workspace, "y", unit="house", page=False)
    assert len(set(head.trained.folds[:10].tolist())) == 1
    assert len(set(head.trained.folds.tolist())) == 5


def test_a_target_that_a_unit_disagrees_about_is_refused(tmp_path):
    """No image of a house speaks for the others."""
    rng = np.random.default_rng(12)
    columns = {"house": [str(row // 2) for row in range(40)], "y": rng.normal(size=40).tolist()}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": rng.normal(size=(40, 3))}, columns)
    with pytest.raises(Refused, match=r"'y' says both .* of house 0"):
        boda.train(workspace, "y", unit="house", page=False)


def test_what_is_predicted_is_not_taken_for_groups(tmp_path):
    """A target that is called as groups often are is a target."""
    rng = np.random.default_rng(13)
    x = rng.normal(size=(60, 4))
    scene = np.where(x[:, 0] > 0, "beach", "wood").tolist()
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"scene": scene})
    assert boda.train(workspace, "scene", page=False).evaluation["folds"]["by"] == "rows"


def test_features_that_vary_in_a_few_directions_find_no_copies(tmp_path):
    """100 columns made of three: every row has another within the likeness, and folds of one huge group test nothing."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 100))
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": (x[:, 0] + x[:, 1]).tolist()})
    record = boda.train(workspace, "y").evaluation
    assert record["folds"]["copies"] == 0
    assert any("would be copies of one another" in one for one in record["warnings"])
    assert record["metrics"]["spearman"]["value"] > 0.99


def test_it_says_where_near_duplicates_were_not_looked_for(tmp_path):
    """Narrow features cannot show them; wide ones can."""
    rng = np.random.default_rng(14)
    x = rng.normal(size=(60, 70))
    workspace = synthetic_workspace(tmp_path / "w.boda", {"wide": x, "narrow": x[:, :3]}, {"y": x[:, 0].tolist()})
    narrow, wide = (boda.train(workspace, "y", inputs=[name], page=False) for name in ("narrow", "wide"))
    assert any("near-duplicates were not looked for" in one for one in narrow.evaluation["warnings"])
    assert not any("near-duplicates" in one for one in wide.evaluation["warnings"])


def test_evaluate_draws_whole_groups(tmp_path):
    """Where the head was tested by a column that new images have too, the interval is over its groups."""
    rng = np.random.default_rng(15)
    x, place = rng.normal(size=(120, 3)), np.repeat(np.arange(12), 10)
    y = x[:, 0] + rng.normal(size=12)[place] * 2
    columns = {"y": y.tolist(), "group": place.astype(str).tolist()}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, columns)
    head = boda.train(workspace, "y", page=False)
    files = {row: 500 + row for row in range(120)}
    others = columns | {"group": [f"new {one}" for one in place]}
    wide = synthetic_workspace(tmp_path / "new.boda", {"f": x}, others, same_file=files)
    bare = synthetic_workspace(tmp_path / "bare.boda", {"f": x}, {"y": columns["y"]}, same_file=files)
    grouped, plain = (boda.evaluate(one, head).unseen["metrics"]["mae"] for one in (wide, bare))
    assert grouped["value"] == plain["value"]
    assert grouped["high"] - grouped["low"] > 1.3 * (plain["high"] - plain["low"])


def test_nothing_that_was_given_to_predict_is_ignored(tmp_path):
    """What a head or a workspace has no use for is refused."""
    workspace = numbers(tmp_path)
    head = boda.train(workspace, "y", page=False)
    with pytest.raises(Refused, match="join a table with boda label"):
        boda.predict(workspace.path, head=head, from_table=tmp_path / "t.csv")
    with pytest.raises(Refused, match="are for a classifier"):
        boda.predict(workspace.path, head=head, topk=3)
    with pytest.raises(Refused, match="give a head too"):
        boda.predict(workspace.path, from_table=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("preparation", "parts", 1, "scale"), 10**400),
        (("preparation", "parts", 1, "scale"), 0),
        (("preparation", "parts", 1, "indicator"), -1),
        (("preparation", "parts", 1, "name"), None),
        (("interval", "half_width"), -1),
        (("interval", "half_width"), float("nan")),
        (("target", "kind"), "class"),
        (("target", "names"), ["a", "b"]),
        (("asked", "kind"), "anything"),
        (("inputs", 0, "name"), None),
        (("inputs", 0, "recipe", "arguments"), None),
    ],
)
def test_a_head_that_does_not_fit_together_is_damaged(tmp_path, place, value):
    """Found when it is read, with an error of ours, whatever a stranger wrote into it."""
    boda.train(numbers(tmp_path), "y", inputs=["plain", "area"], to=tmp_path / "head", page=False)
    file = tmp_path / "head" / "head.json"
    record = json.loads(file.read_text())
    part = record
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    file.write_text(json.dumps(record))
    with pytest.raises(Damaged, match="this head"):
        boda.predict(tmp_path / "numbers.boda", head=tmp_path / "head")


def test_a_description_of_a_hundred_thousand_brackets_is_damaged(tmp_path):
    """Python's own reader gives up on it."""
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "head.json").write_text("[" * 100_000)
    with pytest.raises(Damaged, match="RecursionError"):
        boda.predict(numbers(tmp_path).path, head=tmp_path / "head")


def test_writing_over_a_head_leaves_nothing_of_the_old_one(tmp_path):
    """A file that the new head has not is gone; files that are no part of a head stay."""
    workspace = numbers(tmp_path)
    boda.train(workspace, "y", to=tmp_path / "head", page=False)
    (tmp_path / "head" / "mine.txt").write_text("mine")
    from boda.pipelines.heads.keeping import load_head, write_folder

    head = load_head(tmp_path / "head")
    write_folder(head.files(rows=False), tmp_path / "head")
    assert sorted(one.name for one in (tmp_path / "head").iterdir()) == [
        "README.md", "head.json", "mine.txt", "weights.safetensors"
    ]  # fmt: skip
    assert not load_head(tmp_path / "head").trained.known
