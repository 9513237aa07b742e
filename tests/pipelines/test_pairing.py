"""Two heads are compared on rows that are new to both, and only where they predict the same."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

import boda
from boda.errors import Refused
from boda.evaluation import bootstrap
from boda.evaluation.metrics import statistics
from boda.heads.assembling import Unit
from boda.heads.target import Blank
from boda.heads.vote_tree import Question, VoteTree
from boda.pipelines.heads.pairing import refuse_other_target
from synthetic import relabel, synthetic_workspace

FILES = {row: 1000 + row for row in range(90)}


@pytest.fixture
def spaces(tmp_path):
    """A workspace to learn from and one of 90 other images, y in both: a matter of `good`, and not of `noise`."""
    rng = np.random.default_rng(0)
    found = []
    for name, n, files in (("old", 120, {}), ("new", 90, FILES)):
        x = rng.normal(size=(n, 5))
        y = x[:, 0] + x[:, 1] + 0.2 * rng.normal(size=n)
        columns = {
            "y": y.tolist(),
            "kind": np.where(y > 0, "high", "low").tolist(),
            "turned": np.where(y > 0, "left", "right").tolist(),
            "z": (-y).tolist(),
            "scene": [f"{name} {row // 3}" for row in range(n)],
        }
        features = {"good": x, "noise": rng.normal(size=(n, 5))}
        found.append(synthetic_workspace(tmp_path / f"{name}.boda", features, columns, same_file=files))
    return found


def test_the_difference_is_that_of_the_values_and_has_their_sign(spaces):
    """Every metric, as scikit-learn and numpy have it; the other way round it is minus that."""
    old, new = spaces
    good, noise = (boda.train(old, "y", inputs=[name], name=name, page=False) for name in ("good", "noise"))
    found = boda.evaluate(new, good, against=noise)
    record = found.against
    assert (record["head"], record["rows"]) == ("noise", 90)
    truth = np.array(new.frame()["y"].to_pylist())
    one, two = (np.array(boda.predict(new.path, head=head).table()["prediction"].to_pylist()) for head in (good, noise))
    for name, metric in (("r2", metrics.r2_score), ("mae", metrics.mean_absolute_error)):
        each = record["metrics"][name]
        assert (each["first"], each["second"]) == (pytest.approx(metric(truth, one)), pytest.approx(metric(truth, two)))
        assert each["value"] == pytest.approx(metric(truth, one) - metric(truth, two))
        assert each["low"] < each["value"] < each["high"]
    assert record["metrics"]["r2"]["low"] > 0 > record["metrics"]["mae"]["high"]
    assert set(record["metrics"]) == set(found.unseen["metrics"])
    back = boda.evaluate(new, noise, against=good).against["metrics"]
    for name, each in record["metrics"].items():
        assert back[name]["value"] == pytest.approx(-each["value"])
        assert (back[name]["low"], back[name]["high"]) == (pytest.approx(-each["high"]), pytest.approx(-each["low"]))


def test_whole_groups_are_drawn(spaces):
    """The interval is that of a paired bootstrap over the scenes that they were trained by."""
    old, new = spaces
    good, noise = (boda.train(old, "y", inputs=[name], name=name, page=False) for name in ("good", "noise"))
    assert good.evaluation["folds"]["by"] == "scene"
    each = boda.evaluate(new, good, against=noise, seed=5).against["metrics"]["spearman"]
    truth = np.array(new.frame()["y"].to_pylist())
    one, two = (
        statistics("number", truth, np.array(boda.predict(new.path, head=head).table()["prediction"].to_pylist()))
        for head in (good, noise)
    )
    scenes, rng = np.arange(90) // 3, np.random.default_rng(5)
    expected = bootstrap.paired_difference(one["spearman"], two["spearman"], 90, groups=scenes, rng=rng)
    assert (each["low"], each["high"]) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_only_rows_that_are_new_to_both_count(tmp_path):
    """What either has learned from, or the other photographs of such a scene, tests neither."""
    rng = np.random.default_rng(1)
    x, scene = rng.normal(size=(120, 5)), [f"s{row // 3}" for row in range(120)]
    y = (x[:, 0] + rng.normal(size=120)).tolist()
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": y, "scene": scene})
    heads = []
    for known in (range(50), range(40, 80)):
        relabel(workspace, y=[one if row in known else None for row, one in enumerate(y)], scene=scene)
        heads.append(boda.train(workspace, "y", name=f"to-{max(known)}", page=False))
    relabel(workspace, y=y, scene=scene)
    found = boda.evaluate(workspace, "to-49", against="to-79")
    assert (found.trained_on, found.kin["rows"], found.unseen["rows"]) == (50, 1, 69)
    assert found.against["rows"] == 39  # from 81 on: 80 is of the scene of 78 and 79
    relabel(workspace, y=[one if row < 60 else None for row, one in enumerate(y)], scene=scene)
    with pytest.raises(Refused, match="no labelled row is new to both to-49 and to-79: compare them on other images"):
        boda.evaluate(workspace, *heads[:1], against=heads[1])


def test_heads_of_other_targets_are_refused(spaces):
    """Kinds, classes, and columns that say other things of an image."""
    old, new = spaces
    heads = {name: boda.train(old, name, inputs=["good"], page=False) for name in ("y", "z", "kind", "turned")}
    for one, two, why in (
        ("y", "kind", "y and kind cannot be compared: one predicts number, the other class"),
        ("kind", "turned", "kind and turned cannot be compared: they know other names: high, low and left, right"),
        ("y", "z", "y and z cannot be compared: y and z say other things of 00000.png"),
    ):
        with pytest.raises(Refused, match=f"^{why}$"):
            boda.evaluate(new, heads[one], against=heads[two])


def test_other_levels_trees_and_units_are_refused(spaces):
    """Each is named."""
    head = boda.train(spaces[0], "y", inputs=["good"], page=False)
    ratings = replace(head, target=Blank("ratings", "y", ("1", "2"), (1.0, 2.0)))
    tenths = replace(head, target=Blank("ratings", "y", ("1", "2"), (0.1, 0.2)))
    plain, after = (
        VoteTree(name, (Question("bar", ("yes", "no")), Question("arms", ("two", "more"), asked)))
        for name, asked in (("plain", ()), ("after", ("bar_yes",)))
    )
    trees = [replace(head, target=Blank("votes", "y", tree.columns, tree=tree)) for tree in (plain, after)]
    house = replace(head, unit=Unit("house"))
    for one, two, why in (
        (ratings, tenths, r"their ratings are worth \[1.0, 2.0\] and \[0.1, 0.2\]"),
        (*trees, "their vote trees differ: plain and after"),
        (head, house, "a row of one is an image, of the other all images of one house"),
    ):
        with pytest.raises(Refused, match=why):
            refuse_other_target(one, two)
    refuse_other_target(
        trees[0], replace(head, target=Blank("votes", "y", plain.columns, tree=replace(plain, name="x")))
    )
