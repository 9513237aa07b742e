"""`boda evaluate`: on images a head has not seen, and what was measured in training where there are none."""

import numpy as np
import pytest

from spoken import one_line, one_object
from synthetic import synthetic_workspace


@pytest.fixture
def head(run, scored, tmp_path):
    """A head of y as a folder and in the workspace."""
    train = ("train", scored.path, "--target", "y", "--inputs", "plain", "--no-page", "-q")
    assert run(*train, "--to", tmp_path / "head").exit_code == 0
    return tmp_path / "head"


@pytest.fixture
def fresh(tmp_path):
    """40 other images, of which 10 are copies of images in the first workspace."""
    x = np.random.default_rng(9).normal(size=(40, 6))
    copies = {row: 1000 + row for row in range(30)}
    columns = {"y": (2 * x[:, 0] + x[:, 1]).tolist()}
    return synthetic_workspace(tmp_path / "fresh.boda", {"plain": x}, columns, same_file=copies)


def test_on_new_images_it_says_how_good_it_is(run, head, fresh):
    """Metrics with intervals and baseline of rows it has not seen; those of its training test nothing."""
    result = run("evaluate", fresh.path, "--head", head)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "y on 30 labelled rows that are new to it"
    assert lines[1].split() == ["metric", "value", "low", "high", "baseline"]
    assert "10 labelled rows here were used to train it and test nothing" in lines
    minds = [line for line in lines if line.startswith("mind: ")]
    assert minds[0].startswith("mind: 70 of the 80 rows it was trained on are not in this workspace")
    assert "near-duplicates were not looked for, only equal files" in minds[1]
    assert "when it was trained, on rows held out:" in lines


def test_json_is_one_object(run, head, fresh):
    """Unseen and held-out metrics are apart."""
    record = one_object(run("evaluate", fresh.path, "--head", head, "--json"))
    assert (record["head"], record["trained_on"], record["unseen"]["rows"]) == ("y", 10, 30)
    one = record["unseen"]["metrics"]["spearman"]
    assert one["low"] < one["value"] < one["high"]
    assert record["held_out"]["rows"] == 80
    assert (record["kin"], record["against"], len(record["warnings"])) == (None, None, 2)
    again = one_object(run("evaluate", fresh.path, "--head", head, "--json", "--seed", "1"))
    assert again["unseen"]["metrics"]["spearman"]["low"] != one["low"]


@pytest.mark.usefixtures("head")
def test_a_head_of_another_workspace_is_named_by_it(run, scored, fresh):
    """OTHER.boda/NAME; where that workspace has no such head, its own are told."""
    assert one_object(run("evaluate", fresh.path, "--head", scored.path / "y", "--json"))["unseen"]["rows"] == 30
    line = one_line(run("evaluate", fresh.path, "--head", scored.path / "z"))
    assert line == f"boda: z: no head of this name, and no folder with one. {scored.path} has: y"


def test_kin_are_told_apart_from_what_is_new(run, scored, tmp_path):
    """Other photographs of people it knows have a table of their own."""
    train = ("train", scored.path, "--target", "y", "--inputs", "plain", "--groups", "who", "--no-page", "-q")
    assert run(*train, "--to", tmp_path / "by_who").exit_code == 0
    x = np.random.default_rng(3).normal(size=(30, 6))
    columns = {"y": x[:, 0].tolist(), "who": [f"person {row // 3 + 15}" for row in range(30)]}
    files = {row: 500 + row for row in range(30)}
    fresh = synthetic_workspace(tmp_path / "more.boda", {"plain": x}, columns, same_file=files)
    lines = run("evaluate", fresh.path, "--head", tmp_path / "by_who").stdout.splitlines()
    assert lines[0] == "y on 15 labelled rows that are new to it"
    place = lines.index("y on 15 labelled rows that are kin to what it was trained on and flatter it:")
    assert lines[place + 1] == "15 of a group it was trained on, 0 more by copies"
    assert lines[place + 2].split() == ["metric", "value", "low", "high", "baseline"]


@pytest.mark.usefixtures("head")
def test_two_heads_are_compared_on_rows_new_to_both(run, scored, fresh):
    """A table with both and their difference; a head of something else is one line."""
    train = ("train", scored.path, "--target", "y", "--no-page", "-q")
    assert run(*train, "--inputs", "plain,area", "--name", "wide").exit_code == 0
    assert run("train", scored.path, "--target", "kind", "--inputs", "plain", "--no-page", "-q").exit_code == 0
    arguments = ("evaluate", fresh.path, "--head", scored.path / "y", "--against")
    line = one_line(run(*arguments, scored.path / "kind"))
    assert line == "boda: y and kind cannot be compared: one predicts number, the other class"
    assert "There is: y" in one_line(run(*arguments, scored.path / "wide"))
    lines = run(*arguments, scored.path / "y").stdout.splitlines()
    place = lines.index("y less y on 30 labelled rows that are new to both")
    assert lines[place + 1].split() == ["metric", "first", "second", "difference", "low", "high"]
    assert lines[place + 2].split()[0] == "r2"
    assert lines[place + 2].split()[3:] == ["0.0000", "0.0000", "0.0000"]


@pytest.mark.usefixtures("head")
def test_where_all_was_trained_on_only_training_is_told(run, scored):
    """Nothing is tested on what was learned from."""
    record = one_object(run("evaluate", scored.path, "--head", "y", "--json"))
    assert (record["unseen"], record["trained_on"]) == (None, 80)


@pytest.mark.usefixtures("head")
def test_what_is_not_there_is_one_line(run, scored, fresh, tmp_path):
    """Heads, workspaces, features and columns."""
    assert "has: y" in one_line(run("evaluate", scored.path, "--head", "z"))
    assert "nowhere.boda" in one_line(run("evaluate", tmp_path / "nowhere.boda", "--head", "y"))
    assert "boda train" in one_line(run("evaluate", fresh.path, "--head", "y"))
    other = synthetic_workspace(tmp_path / "other.boda", {"strange": np.eye(6)}, {"y": [1.0] * 6})
    assert "strange" in one_line(run("evaluate", other.path, "--head", tmp_path / "head"))
    bare = synthetic_workspace(tmp_path / "bare.boda", {"plain": np.eye(6)}, {"yy": [1.0] * 6})
    assert "There is: yy" in one_line(run("evaluate", bare.path, "--head", tmp_path / "head"))


def test_wrong_usage_exits_with_two(run, scored):
    """A head has to be named."""
    assert run("evaluate", scored.path).exit_code == 2
    assert run("evaluate", scored.path, "--head", "y", "--seed", "x").exit_code == 2
