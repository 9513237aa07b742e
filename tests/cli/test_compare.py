"""`boda compare`: a table of feature sets and heads on the same folds, and a picture."""

import numpy as np
import pytest

from spoken import one_line, one_object
from synthetic import synthetic_workspace


def test_it_ranks_and_draws(run, scored, tmp_path):
    """Baseline, one row a candidate with interval, width and seconds, and where the picture is."""
    result = run("compare", scored.path, "--target", "y", "--kind", "linear", "--inputs", "area")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "y: spearman on 80 rows, 5 folds"
    assert lines[1].startswith("trivial baseline 0.0000")
    assert lines[2].split() == ["inputs", "head", "features", "spearman", "low", "high", "width", "time"]
    assert lines[3].startswith("plain")
    assert lines[8].startswith("noise + area")
    assert lines[-2].startswith("mind: near-duplicates were not looked for")
    (picture,) = (tmp_path / "scored-compare").iterdir()
    assert lines[-1] == f"picture: {picture}"
    assert picture.read_bytes().startswith(b"<svg")


def test_json_is_one_object(run, scored, tmp_path):
    """Candidates, the best first, each with its difference to the best."""
    options = ("--kind", "linear", "--to", tmp_path / "c.svg", "--json")
    record = one_object(run("compare", scored.path, "--target", "kind", *options))
    assert (record["metric"], record["picture"]) == ("auc", str(tmp_path / "c.svg"))
    values = [one["value"] for one in record["candidates"]]
    assert values == sorted(values, reverse=True)
    assert len(values) == 6
    assert all(one["to_best"]["low"] <= 0 for one in record["candidates"][1:])


def test_refusals_are_one_line(run, scored, tmp_path, monkeypatch):
    """Wrong names, files in the way, heads that do not learn such a target; before anything is computed."""

    def learn(*_: object, **__: object) -> None:
        raise AssertionError("learned before it was refused")

    monkeypatch.setattr("boda.pipelines.compare.cross_fit", learn)
    assert "There is: y" in one_line(run("compare", scored.path, "--target", "yy"))
    assert "There is: area" in one_line(run("compare", scored.path, "--target", "y", "--inputs", "aera"))
    assert "There is: who" in one_line(run("compare", scored.path, "--target", "y", "--groups", "whom"))
    assert "no head of mlp" in one_line(
        run("compare", scored.path, "--target", "who", "--as", "labels", "--kind", "mlp")
    )
    (tmp_path / "mine.svg").write_text("mine")
    assert "--force" in one_line(run("compare", scored.path, "--target", "y", "--to", tmp_path / "mine.svg"))
    assert "nowhere.boda" in one_line(run("compare", tmp_path / "nowhere.boda", "--target", "y"))


@pytest.mark.parametrize("options", [[], ["--target", "y", "--folds", "1"], ["--target", "y", "--kind", "forest"]])
def test_wrong_usage_exits_with_two(run, scored, options):
    """Missing and impossible options show how the command is used."""
    assert run("compare", scored.path, *options).exit_code == 2


def test_images_of_a_unit_are_one_row(run, scored, tmp_path):
    """As of `boda train`; a view alone means nothing."""
    house = np.arange(80) // 4
    columns = {"house": [f"h{one}" for one in house], "price": (house * 1.5).tolist()}
    x = np.random.default_rng(0).normal(size=(80, 6))
    houses = synthetic_workspace(tmp_path / "houses.boda", {"plain": x, "other": x[:, :3]}, columns)
    options = ("--target", "price", "--kind", "linear", "--to", tmp_path / "c.svg")
    assert one_object(run("compare", houses.path, *options, "--unit", "house", "--json"))["rows"] == 20
    assert "give --unit too" in one_line(run("compare", houses.path, *options, "--force", "--view", "house"))
