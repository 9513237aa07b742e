"""`boda import-head`: somebody else's linear layer, for features that are here."""

import numpy as np
import pytest

from spoken import one_line, one_object
from synthetic import synthetic_workspace


@pytest.fixture
def layer(tmp_path):
    """A linear layer from 8 to 1, and the features it takes."""
    pytest.importorskip("torch")
    from safetensors.numpy import save_file

    rng = np.random.default_rng(5)
    weights = {"weight": rng.normal(size=(1, 8)).astype(np.float32), "bias": np.array([0.5], np.float32)}
    save_file(weights, tmp_path / "layer.safetensors")
    return tmp_path / "layer.safetensors", weights


@pytest.fixture
def unit(tmp_path):
    """Twelve images with features of length 1, and longer ones."""
    x = np.random.default_rng(6).normal(size=(12, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    columns = {"score": x[:, 0].tolist()}
    return synthetic_workspace(tmp_path / "w.boda", {"long": 3 * x, "wide": np.eye(12, 9), "unit": x}, columns)


def test_it_is_kept_and_predicts(run, unit, layer, tmp_path):
    """One line; then it predicts what the layer says, and evaluate compares it with a column of its name."""
    result = run("import-head", unit.path, layer[0], "--target", "score", "--name", "taste")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "taste: score from unit\n"
    predictions = one_object(run("predict", unit.path, "--head", "taste", "--json"))["predictions"]
    features = unit.features("unit").array
    expected = features @ layer[1]["weight"][0] + layer[1]["bias"][0]
    np.testing.assert_allclose([row["prediction"] for row in predictions], expected, atol=1e-5)
    assert set(predictions[0]) == {"key", "prediction", "trained_on"}
    said = run("evaluate", unit.path, "--head", "taste").stdout
    assert said.startswith("taste on 12 labelled rows")
    assert "taste" in run("info", unit.path).stdout


def test_json_is_one_object(run, unit, layer):
    """As of train, with an empty evaluation; the name is that of the file."""
    record = one_object(run("import-head", unit.path, layer[0], "--target", "score", "--json"))
    assert (record["head"], record["inputs"], record["evaluation"]) == ("layer", ["unit"], {})


def test_what_does_not_fit_is_one_line(run, unit, layer, tmp_path):
    """Other lengths, other widths, files that are no layer or not there."""
    take = ("import-head", unit.path)
    assert "length 1" in one_line(run(*take, layer[0], "--target", "score", "--recipe", "long"))
    assert run(*take, layer[0], "--target", "score", "--recipe", "long", "--any-length").exit_code == 0
    assert "9 wide" in one_line(run(*take, layer[0], "--target", "score", "--recipe", "wide"))
    assert "no such file" in one_line(run(*take, tmp_path / "none.pth", "--target", "score"))
    (tmp_path / "text.pth").write_text("words")
    assert "text.pth" in one_line(run(*take, tmp_path / "text.pth", "--target", "score"))
    assert "no features of recipe" in one_line(run(*take, layer[0], "--target", "score", "--recipe", "x"))
    assert "no name for a head" in one_line(run(*take, layer[0], "--target", "score", "--name", "a b"))
    assert [one.name for one in unit.results("head")] == ["layer"]


def test_wrong_usage_exits_with_two(run, unit, layer):
    """What it predicts has to be said."""
    assert run("import-head", unit.path, layer[0]).exit_code == 2
    assert run("import-head", unit.path, "--target", "score").exit_code == 2


def test_a_head_of_this_name_stays(run, unit, layer):
    """An import takes nothing away unless it is told to."""
    arguments = ("import-head", unit.path, layer[0], "--target", "score")
    assert run(*arguments).exit_code == 0
    (before,) = unit.results("head")
    error = one_line(run(*arguments, "--any-length"))
    assert "has a head 'layer' already; give --force to replace it, or another --name" in error
    assert unit.results("head") == [before]
    assert run(*arguments, "--any-length", "--force").exit_code == 0
    assert unit.results("head") != [before]
