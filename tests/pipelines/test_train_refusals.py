"""Training on what people bring: the target among the inputs, a workspace in the way, ratings by one person each."""

import hashlib

import numpy as np
import pytest

import boda
from boda.cli.train import said_trust
from boda.errors import Refused
from boda.heads.head import Head
from boda.pipelines.train import tame
from synthetic import synthetic_workspace


def wide(tmp_path, n=60, **columns):
    """Features of no meaning, and columns."""
    rng = np.random.default_rng(0)
    return synthetic_workspace(tmp_path / "w.boda", {"plain": rng.normal(size=(n, 4))}, columns)


@pytest.mark.parametrize(
    ("target", "given"), [("y", "y"), ("log10(y)", "y"), ("y", "log10(y)"), ("kind=a", "kind"), ("y,z", "z")]
)
def test_the_target_is_no_input(tmp_path, target, given):
    """A head that is told the answer would look perfect; also where one of the two is a function of the column."""
    y = np.random.default_rng(1).integers(1, 100, size=60)
    workspace = wide(tmp_path, y=y.tolist(), z=y[::-1].tolist(), kind=[("a", "b")[one % 2] for one in y])
    bare = "kind" if given == "kind" else "z" if given == "z" else "y"
    with pytest.raises(Refused, match=f"column {bare!r} is the target and an input: leave it out of --inputs"):
        boda.train(workspace, target, inputs=["plain", given], page=False)


def test_a_workspace_is_no_place_for_the_folder_of_a_head(tmp_path):
    """Even with force: a README.md of its owner would be written over."""
    workspace = wide(tmp_path, y=np.arange(60.0).tolist())
    (workspace.path / "README.md").write_text("mine")
    with pytest.raises(Refused, match=r"w\.boda: is a workspace"):
        boda.train(workspace, "y", to=workspace.path, force=True, page=False)
    assert (workspace.path / "README.md").read_text() == "mine"
    assert not (workspace.path / "head.json").exists()


@pytest.mark.parametrize(("rows", "advice"), [(3, "label more images$"), (7, "or give --folds 3$")])
def test_too_few_rows_are_told_what_would_do(tmp_path, rows, advice):
    """As many folds as there can be; none is advised where even two are too many."""
    workspace = wide(tmp_path, y=[float(row) if row < rows else None for row in range(60)])
    with pytest.raises(Refused, match=f"^{rows} rows are too few for 5 folds: .*{advice}"):
        boda.train(workspace, "y", page=False)


def test_one_rater_an_image_allows_no_ceiling_and_is_learned(tmp_path):
    """Nothing is known of how raters differ, and the rest is measured as ever."""
    said = np.random.default_rng(2).integers(3, size=60)
    workspace = wide(tmp_path, **{f"n_{rating}": (said == rating).astype(int).tolist() for rating in range(3)})
    head = boda.train(workspace, "n_*", target_kind="ratings", page=False)
    assert "ceiling" not in head.evaluation
    assert head.evaluation["metrics"]["emd"]["value"] > 0


def test_ratings_that_are_all_the_same_are_told(tmp_path):
    """Ranks of equal means have no ceiling; what is said of it is no error."""
    head = boda.train(wide(tmp_path, r=[[1, 2, 3]] * 60), "r", page=False)
    assert isinstance(head, Head)
    assert any(str(line).endswith("allow no Spearman: no rating differs") for line in said_trust(head.evaluation))


def test_no_image_of_any_unit(tmp_path):
    """A column of units that says nothing is named, with what to do; many views are not all listed."""
    each = [f"v{row}" for row in range(60)]
    workspace = wide(tmp_path, y=np.arange(60.0).tolist(), none=[None] * 59 + [""], each=each, two=["a", "b"] * 30)
    with pytest.raises(Refused, match="no two has all its views: v0, v1, v10, v11, v12, v13, v14, v15 and 52 more"):
        boda.train(workspace, "y", unit="two", view="each", page=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_kind": "klass"}, "target_kind is 'klass'; it can be 'number', 'class'"),
        ({"method": "tree"}, "method is 'tree'; it can be 'auto', 'linear', 'mlp'"),
        ({"scaling": "L2"}, "scaling is 'L2'; it can be 'standardised', 'normalised', 'raw'"),
        ({"loss": "mse"}, "loss is 'mse'; it can be 'likelihood', 'emd'"),
        ({"seed": -1}, "seed=-1: a whole number from 0"),
        ({"folds": 1}, "1 folds hold nothing out"),
    ],
)
def test_misspelt_options_are_not_taken_for_others(tmp_path, options, words):
    """In Python as on the command line: what it is, and what it can be."""
    with pytest.raises(Refused, match=words):
        boda.train(wide(tmp_path, y=np.arange(60.0).tolist()), "y", page=False, **options)


def test_inputs_as_on_the_command_line_and_an_open_workspace(tmp_path):
    """Names with commas between are names, not letters; and predict takes the workspace that train took."""
    workspace = wide(tmp_path, y=np.arange(60.0).tolist(), z=np.arange(60.0)[::-1].tolist())
    head = boda.train(workspace, "y", inputs="plain, z", page=False)
    assert [one.name for one in head.wanted] == ["plain", "z"]
    assert boda.predict(workspace, head=head).table().equals(boda.predict(workspace.path, head="y").table())


def test_a_head_of_votes_is_tested_by_its_own_tree(tmp_path):
    """The file that it was read from may be gone, or say something else by now."""
    tree = tmp_path / "tree.toml"
    tree.write_text('name = "two"\n\n[[question]]\nname = "shape"\nanswers = ["round", "flat"]\n')
    counts = np.random.default_rng(3).integers(1, 20, size=(2, 60)).tolist()
    workspace = wide(tmp_path, shape_round=counts[0], shape_flat=counts[1])
    head = boda.train(workspace, "shape", tree=str(tree), page=False)
    tree.unlink()
    assert boda.evaluate(workspace, head).trained_on == 60


def test_targets_in_other_alphabets_have_heads_of_their_own():
    """What cannot be in a name is told apart by a digest; plain names stay as they are."""
    assert tame("y") == "y"
    assert len({tame("점수"), tame("나이"), tame("class=에이"), tame("class=비"), tame("class")}) == 5
    assert tame("class=에이").startswith("class-")
    assert tame("점수").endswith(hashlib.sha256("점수".encode()).hexdigest()[:8])
    assert len(tame("x" * 300)) <= 100
