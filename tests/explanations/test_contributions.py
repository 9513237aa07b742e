"""Contributions are the Shapley values of the inputs of a head: by hand, by every order, and adding up."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from boda.errors import Refused
from boda.explanations.contributions import contributions, inputs_of
from boda.explanations.head_score import answers_of
from boda.heads.answers import points_of
from boda.heads.asking import Asked
from boda.heads.assembling import Unit, Wanted
from boda.heads.head import Head, Trained
from boda.heads.inputs import CategoryInput, FeatureInput, Inputs, NumberInput
from boda.heads.labels import LabelsModel
from boda.heads.linear import LinearModel
from boda.heads.logistic import LogisticModel
from boda.heads.mlp import MlpModel
from boda.heads.preparation import Preparation
from boda.heads.ratings import RatingsModel, mean
from boda.heads.scores import LinearScores
from boda.heads.target import Blank
from boda.heads.vote_tree import Question, VoteTree
from boda.heads.votes import VotesModel
from boda.recipe import Recipe

N = 30
RECIPE = Recipe("net", "", "pooled", "model", None, name="net")
TREE = VoteTree("t", (Question("shape", ("smooth", "disk")), Question("bar", ("yes", "no"), ("shape_disk",))))


def fusion() -> Inputs:
    """Features, a number that is sometimes missing, and names."""
    rng = np.random.default_rng(0)
    area = rng.normal(size=N) * 100 + 500
    area[::7] = np.nan
    zips = np.array(["a", "b", None, "c"], object)[rng.integers(0, 4, N)]
    features = rng.normal(size=(N, 5)).astype(np.float32)
    return Inputs((FeatureInput("net", RECIPE.id, features), NumberInput("area", area), CategoryInput("zip", zips)))


def head_of(inputs: Inputs, blank: Blank, model, unit: Unit | None = None, wanted=None) -> Head:
    """A head as it would be trained, with weights as they are given by `model` for a width."""
    preparation = Preparation.fit(inputs, np.arange(len(inputs)))
    wanted = wanted or tuple(
        Wanted(one.name, RECIPE if isinstance(one, FeatureInput) else None, category=isinstance(one, CategoryInput))
        for one in inputs.blocks
    )
    model = model(preparation.width)
    trained = Trained.unknown(len(blank.names) or 1)
    return Head("h", Asked(blank.name), blank, wanted, preparation, model, trained, unit=unit)


def scores_of(outputs: int):
    """Linear scores of so many outputs."""

    def made(width: int) -> LinearScores:
        rng = np.random.default_rng(1)
        return LinearScores(rng.normal(size=(width, outputs)), rng.normal(size=outputs))

    return made


def mlp(kind: str, outputs: int):
    def made(width: int) -> MlpModel:
        rng = np.random.default_rng(2)
        shapes = {
            "hidden_weights": (6, width),
            "hidden_offset": 6,
            "output_weights": (outputs, 6),
            "output_offset": outputs,
        }
        arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        return MlpModel({**arrays, "centre": np.float64(50), "scale": np.float64(7)}, {"target": kind})

    return made


HEADS = {
    "number": (Blank("number", "y"), lambda width: LinearModel(*vars_of(scores_of(1)(width)), False), "y"),
    "class": (Blank("class", "y", ("cat", "dog", "owl")), lambda w: LogisticModel(scores_of(3)(w), {}), "score before the softmax"),
    "labels": (Blank("labels", "y", ("big", "old")), lambda w: LabelsModel(scores_of(2)(w), {}), "log odds"),
    "ratings": (Blank("ratings", "y", ("1", "2", "5"), (1.0, 2.0, 5.0)), lambda w: RatingsModel(scores_of(3)(w), {}), "mean rating"),
    "votes": (Blank("votes", "y", TREE.columns, (), TREE), lambda w: VotesModel(scores_of(6)(w), {"answers": [2, 2]}), "fraction of the votes"),
    "mlp number": (Blank("number", "y"), mlp("number", 1), "y"),
    "mlp class": (Blank("class", "y", ("cat", "dog")), mlp("class", 1), "log odds"),
}  # fmt: skip
LINEAR = ("number", "class", "labels")


def vars_of(scores: LinearScores) -> tuple[np.ndarray, np.ndarray]:
    return scores.weights, scores.offset


def made(name: str) -> tuple[Head, np.ndarray]:
    """A head of three inputs, and its design."""
    blank, model, _ = HEADS[name]
    inputs = fusion()
    head = head_of(inputs, blank, model)
    return head, head.preparation.design(inputs).dense()


def said_by(head: Head, design: np.ndarray) -> np.ndarray:
    """(n, answers) in the units of scores, by what the head itself makes of its outputs."""
    outputs = head.model.outputs(design.astype(np.float32))
    if head.target.kind == "ratings":
        return mean(points_of(head.target, outputs), head.target.levels)[:, None]
    if head.target.kind == "class" and len(head.target.names) == 2:
        return outputs - outputs[:, ::-1]
    return points_of(head.target, outputs) if head.target.kind == "votes" else outputs


def by_orders(said, row: np.ndarray, background: np.ndarray, inputs: list[list[int]]) -> np.ndarray:
    """The definition: the mean over all orders of what putting an input of the row into all of the background adds."""
    found = np.zeros(len(inputs))
    for order in itertools.permutations(range(len(inputs))):
        mixed = background.copy()
        before = said(mixed).mean()
        for one in order:
            mixed[:, inputs[one]] = row[inputs[one]]
            after = said(mixed).mean()
            found[one] += after - before
            before = after
    return found / len(list(itertools.permutations(range(len(inputs)))))


@pytest.mark.parametrize("name", HEADS)
def test_they_are_the_mean_over_all_orders(name):
    """Of three inputs, for every kind of head and every answer; and they add up to score less mean score."""
    head, design = made(name)
    rows, background = design[:4], design[10:21]
    inputs = [own for _, own in inputs_of(head)]
    for place, answer in enumerate(answers_of(head) or (None,)):
        found = contributions(head, rows, answer, background=background)

        def said(mixed, place=place):
            return said_by(head, mixed)[:, place]

        assert found.names == ("image", "area", "zip") and found.unit == HEADS[name][2]
        expected = np.stack([by_orders(said, row, background, inputs) for row in rows])
        np.testing.assert_allclose(found.values, expected, atol=1e-5 * np.ptp(said(design)))
        np.testing.assert_allclose(found.scores, said(rows), atol=1e-5 * np.ptp(said(design)))
        np.testing.assert_allclose(found.base, said(background).mean(), atol=1e-5 * np.ptp(said(design)))
        np.testing.assert_allclose(found.values.sum(axis=1), found.scores - found.base, atol=1e-10)
        assert not found.errors.any()


@pytest.mark.parametrize("name", LINEAR)
def test_of_a_linear_head_they_are_weights_times_row_less_mean_row(name):
    """By NumPy, input by input; and the mean row alone says what all rows of the background say."""
    head, design = made(name)
    weights = np.asarray(head.model.tensors()["weights"], np.float64)
    for place, answer in enumerate(answers_of(head) or (None,)):
        found = contributions(head, design, answer, background=design)
        moved = (design - design.mean(axis=0, dtype=np.float64)) * weights[:, place]
        expected = np.stack([moved[:, own].sum(axis=1) for _, own in inputs_of(head)], axis=1)
        np.testing.assert_allclose(found.values, expected, atol=1e-9)
        mean = contributions(head, design, answer, background=design.mean(axis=0, keepdims=True, dtype=np.float64))
        np.testing.assert_allclose(mean.values, found.values, atol=1e-9)
        np.testing.assert_allclose(mean.base, found.base, atol=1e-9)


def numbers(count: int) -> Inputs:
    rng = np.random.default_rng(3)
    return Inputs(tuple(NumberInput(f"n{one}", rng.normal(size=N)) for one in range(count)))


def ratings(weights: np.ndarray):
    return lambda width: RatingsModel(LinearScores(weights, np.zeros(weights.shape[1])), {})


def test_an_input_that_is_not_looked_at_gets_0_and_two_alike_get_the_same():
    """Also where the score is not linear."""
    weights = np.array([[1.0, -1, 2], [0.5, 0, -2], [0.5, 0, -2], [0, 0, 0]])
    head = head_of(numbers(4), Blank("ratings", "y", ("1", "2", "5"), (1.0, 2.0, 5.0)), ratings(weights))
    design = head.preparation.design(numbers(4)).dense()
    design[:, 2] = design[:, 1]
    found = contributions(head, design[:5], background=design)
    np.testing.assert_allclose(found.values[:, 3], 0, atol=1e-12)
    np.testing.assert_allclose(found.values[:, 1], found.values[:, 2], atol=1e-12)
    assert np.abs(found.values[:, 0]).max() > 0.01


def test_many_inputs_are_drawn_with_an_error_that_holds():
    """Twelve numbers, of which four are not looked at: the same as of the eight that are, within its error."""
    rng = np.random.default_rng(4)
    weights = np.zeros((12, 3))
    weights[:8] = rng.normal(size=(8, 3))
    blank = Blank("ratings", "y", ("1", "2", "5"), (1.0, 2.0, 5.0))
    many, few = numbers(12), numbers(8)
    head, exact = head_of(many, blank, ratings(weights)), head_of(few, blank, ratings(weights[:8]))
    design = head.preparation.design(many).dense()
    expected = contributions(exact, design[:3, :8], background=design[5:12, :8])
    with pytest.raises(Refused, match="12 inputs, too many to try all their coalitions: give rng"):
        contributions(head, design[:3], background=design[5:12])
    found = contributions(head, design[:3], background=design[5:12], rng=rng, pairs=60)
    np.testing.assert_allclose(found.values.sum(axis=1), found.scores - found.base, atol=1e-10)
    np.testing.assert_allclose(found.values[:, 8:], 0, atol=1e-12)
    away = np.abs(found.values[:, :8] - expected.values)
    assert (found.errors[:, :8] > 0).all() and (away <= 4 * found.errors[:, :8]).all()
    assert found.errors.max() < 0.1 * np.abs(expected.values).max()


def test_a_linear_head_needs_no_drawing():
    """However many inputs there are."""
    inputs = numbers(30)
    head = head_of(inputs, Blank("number", "y"), HEADS["number"][1])
    design = head.preparation.design(inputs).dense()
    found = contributions(head, design, background=design)
    assert found.values.shape == (N, 30) and not found.errors.any()


def test_features_of_one_image_are_one_input_and_views_are_several():
    """Also where a column is called as the image is; a number and its indicator are one."""
    rng = np.random.default_rng(5)

    def make(name):
        return FeatureInput(name, RECIPE.id, rng.normal(size=(N, 4)).astype(np.float32))

    lacking = np.where(np.arange(N) % 5, rng.normal(size=N), np.nan)
    inputs = Inputs((make("a"), NumberInput("image", lacking), make("b")))
    head = head_of(inputs, Blank("number", "y"), HEADS["number"][1])
    assert inputs_of(head) == (("image", [0, 1, 2, 3, 6, 7, 8, 9]), ("image", [4, 5]))
    inputs = Inputs((make("a@bath"), make("a@hall"), make("b@bath"), make("b@hall")))
    wanted = (Wanted("a", RECIPE), Wanted("b", RECIPE))
    unit = Unit("house", "room", ("bath", "hall"))
    head = head_of(inputs, Blank("number", "y"), HEADS["number"][1], unit, wanted)
    assert inputs_of(head) == (
        ("image@bath", [0, 1, 2, 3, 8, 9, 10, 11]),
        ("image@hall", [4, 5, 6, 7, 12, 13, 14, 15]),
    )


def test_rows_that_may_not_be_written_to_are_left_alone():
    """As designs of memory maps are."""
    head, design = made("ratings")
    before = design.copy()
    design.flags.writeable = False
    contributions(head, design[:2], background=design)
    np.testing.assert_array_equal(design, before)


def test_blocks_change_nothing(monkeypatch):
    """Rows are mixed some at a time."""
    head, design = made("mlp number")
    whole = contributions(head, design, background=design)
    monkeypatch.setattr("boda.explanations.contributions._MIXED", 70)
    few = contributions(head, design, background=design)
    np.testing.assert_allclose(few.values, whole.values, atol=1e-10)


def test_what_does_not_fit_is_refused():
    """Another width, one row without its axis, NaN, no background, an answer that is not there."""
    head, design = made("class")
    for rows, background, match in (
        (design[:, 1:], design, "width 11, not rows of shape"),
        (design[0], design, "not rows of shape"),
        (design, design[:, 1:], "not background of shape"),
        (np.full_like(design, np.nan), design, "rows for head 'h' hold NaN"),
        (design, design[:0], "no background"),
    ):
        with pytest.raises(Refused, match=match):
            contributions(head, rows, "cat", background=background)
    with pytest.raises(Refused, match="several answers"):
        contributions(head, design, background=design)


def test_a_model_that_nobody_knows_is_refused():
    """Its outputs may mean anything."""
    inputs = fusion()
    head = head_of(inputs, Blank("number", "y"), lambda _: SimpleNamespace(kind="forest", tensors=dict))
    design = head.preparation.design(inputs).dense()
    with pytest.raises(Refused, match="kind forest"):
        contributions(head, design, background=design)
