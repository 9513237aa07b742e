"""The score of a head through torch is what the head says, for every kind of target, model, scaling and input."""

import numpy as np
import pytest
import torch

import boda
from boda.errors import Refused
from boda.evaluation.calibration import Platt, Temperature
from boda.explanations.head_score import Held, answers_of, design_score, head_score
from boda.heads.asking import Asked
from boda.heads.assembling import Unit, assemble
from boda.heads.crossfit import fit
from boda.heads.head import Head, Trained
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.learner import Predictor
from boda.heads.linear import LinearModel
from boda.heads.logistic import LogisticModel
from boda.heads.mlp import MlpModel
from boda.heads.parts import FeaturePart
from boda.heads.preparation import Preparation
from boda.heads.scores import LinearScores
from boda.heads.target import Blank
from boda.pipelines.heads.material import Plan, gather, learner_of
from tunable import make_tunable


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """32 images with labels of every kind, a network, and a workspace of both."""
    made = make_tunable(tmp_path_factory.mktemp("head-score"))
    lines = ["file,dark,first,corner"]
    for row, line in enumerate((made / "table.csv").read_text().splitlines()[1:]):
        name, light = line.split(",")[:2]
        lines.append(f"{name},{int(int(light) < 70)},{int(row < 11)},{'abc'[row % 3]}")
    (made / "more.csv").write_text("\n".join(lines))
    boda.label(made / "w.boda", made / "more.csv")
    return made


def trained(place, target, **more):
    head = boda.train(place / "w.boda", target, folds=2, page=False, **more)
    there = boda.open(place / "w.boda")
    return head, assemble(there, there.frame(), head.wanted, head.unit).inputs


def features_of(inputs) -> tuple[str, torch.Tensor]:
    block = next(one for one in inputs.blocks if isinstance(one, FeatureInput))
    return block.name, torch.from_numpy(np.array(block.block(slice(None)))).requires_grad_()


@pytest.mark.parametrize("scaling", ["standardised", "normalised", "raw"])
@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("bright", {"target_kind": "number"}),
        ("bright", {"target_kind": "number", "method": "mlp"}),
        ("class", {}),
        ("class", {"method": "mlp"}),
        ("count_*", {"target_kind": "ratings"}),
        ("dark,first", {"target_kind": "labels"}),
    ],
)
def test_a_head_scores_as_it_predicts(place, target, more, scaling):
    """To 1e-5 of the spread of what it says; and every feature that moves it has a gradient."""
    head, inputs = trained(place, target, scaling=scaling, **more)
    name, features = features_of(inputs)
    outputs = head.outputs(inputs)
    if head.target.kind == "ratings":
        shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        expected = {None: shares @ np.array(head.target.levels)}
    elif head.target.kind == "number":
        expected = {None: outputs[:, 0]}
    elif head.target.kind == "class":
        expected = dict(zip(answers_of(head), (outputs - outputs[:, ::-1]).T, strict=True))
    else:
        expected = dict(zip(answers_of(head), outputs.T, strict=True))
    for answer, values in expected.items():
        said = head_score(head, name, answer).of(features)
        np.testing.assert_allclose(said.detach().numpy(), values, atol=1e-5 * max(np.ptp(values), 1e-3))
        if np.ptp(values) > 1e-6:
            (slopes,) = torch.autograd.grad(said.sum(), features)
            assert np.abs(slopes.numpy()).max() > 0


def test_answers_of_a_vote_tree_are_fractions_of_their_question(place):
    """As the head's predictions have them; of each question they add up to 1."""
    head, inputs = trained(place, "shape_*", target_kind="votes", tree=str(place / "tree.toml"))
    name, features = features_of(inputs)
    concentrations = head.outputs(inputs)
    assert answers_of(head) == ("shape_smooth", "shape_disk", "bar_yes", "bar_no")
    said = {answer: head_score(head, name, answer).of(features).detach().numpy() for answer in answers_of(head)}
    for places, answers in (((0, 1), ("shape_smooth", "shape_disk")), ((2, 3), ("bar_yes", "bar_no"))):
        shares = concentrations[:, places] / concentrations[:, places].sum(axis=1, keepdims=True)
        for column, answer in enumerate(answers):
            np.testing.assert_allclose(said[answer], shares[:, column], atol=1e-5)
        np.testing.assert_allclose(sum(said[answer] for answer in answers), 1, atol=1e-9)


def as_predicted(head, said: np.ndarray) -> np.ndarray:
    """(n, answers) scores to what a prediction makes of them, by the calibration of the head."""
    if head.target.kind == "class":
        return 1 / (1 + np.exp(-said / head.calibration.value))
    if head.target.kind == "labels":
        return 1 / (1 + np.exp(-(said * head.calibration.slopes + head.calibration.offsets)))
    return said


def fitted(place, target: str, kind: str, inputs=(), unit=None, calibration=None, **more) -> tuple[Head, Inputs]:
    """A head without its evaluation, which takes longer than all the rest, and its inputs."""
    tree = str(place / "tree.toml") if kind == "votes" else None
    plan = Plan(Asked(target, kind, tree), inputs, unit=unit, folds=2, **more)
    found = gather(boda.open(place / "w.boda"), plan)
    rng = np.random.default_rng(0)
    preparation, model = fit(found.inputs, found.target, learner_of(found.target, plan), groups=found.groups, rng=rng)
    blank = Blank(kind, target, found.target.names, found.target.levels, found.target.tree)
    trained = Trained.unknown(found.target.outputs)
    unit = found.assembled.unit
    head = Head("h", plan.asked, blank, found.wanted, preparation, model, trained, unit, calibration)
    return head, found.inputs


@pytest.mark.parametrize(
    ("target", "kind", "scaling", "calibration"),
    [
        ("bright", "number", "standardised", None),
        ("class", "class", "standardised", Temperature(1.7)),
        ("dark,first", "labels", "raw", Platt((0.5, 2.0), (0.1, -1.0))),
        ("count_*", "ratings", "normalised", None),
        ("shape_*", "votes", "standardised", None),
    ],
)
def test_an_image_among_numbers_and_names_scores_as_it_is_predicted(place, target, kind, scaling, calibration):
    """Of every row, to 1e-5 of the spread: predictions are made of the scores, of the image or of the prepared row."""
    given = ("resnet:resnet20", "noise", "corner")
    head, inputs = fitted(place, target, kind, given, calibration=calibration, scaling=scaling)
    name, features = features_of(inputs)
    design = head.preparation.design(inputs).dense()
    said, of_rows = [], []
    for answer in answers_of(head) or (None,):
        each = [head_score(head, name, answer, Held(row)) for row in design]
        said.append([float(one.of(features[[row]]).detach()) for row, one in enumerate(each)])
        prepared = design_score(head, answer)
        of_rows.append(prepared.of(torch.from_numpy(design)).numpy())
        assert (prepared.name, prepared.title, prepared.unit) == (each[0].name, each[0].title, each[0].unit)
    found = head.predict(inputs)
    expected = np.asarray(found.values)[:, None] if kind in {"number", "ratings"} else found.points
    for scores in (np.transpose(said), np.transpose(of_rows)):
        off = np.abs(as_predicted(head, scores) - expected)
        assert (off <= 1e-5 * np.ptp(expected, axis=0)).all()


def test_each_view_of_a_unit_is_an_image_of_its_own(place):
    """The others are held; another image in one view gives what the head says of such a unit."""
    head, inputs = fitted(place, "sheet", "number", unit=Unit("sheet", "corner"))
    design = head.preparation.design(inputs).dense()
    blocks = {one.name: one for one in inputs.blocks}
    assert list(blocks) == [f"resnet:resnet20@{view}" for view in "abc"]
    expected = head.predict(inputs).points
    for name, block in blocks.items():
        features = torch.from_numpy(np.array(block.block(slice(None)))).requires_grad_()
        for row in (0, 4):
            said = head_score(head, name, None, Held(design[row])).of(features)
            np.testing.assert_allclose(said[row].item(), expected[row], atol=1e-5 * np.ptp(expected))
            moved = blocks | {name: block.take(np.array([3] * len(block)))}
            swapped = head.predict(Inputs(tuple(moved.values()))).points[row]
            np.testing.assert_allclose(said[3].item(), swapped, atol=1e-5 * np.ptp(expected))
            (slopes,) = torch.autograd.grad(said.sum(), features)
            assert np.abs(slopes.numpy()).max() > 0
    with pytest.raises(Refused, match="give the row"):
        head_score(head, "resnet:resnet20@a")
    with pytest.raises(Refused, match="takes no features called 'resnet:resnet20'"):
        head_score(head, "resnet:resnet20")


def test_other_inputs_of_a_row_are_held_where_they_are(place):
    """With a number beside the image the score is that of the row, and needs the row."""
    head, inputs = trained(place, "bright", target_kind="number", inputs="resnet:resnet20,noise")
    name, features = features_of(inputs)
    row = np.array([7])
    design = head.preparation.design(inputs.take(row)).dense().astype(np.float32)
    said = head_score(head, name, None, Held(design)).of(features[7:8])
    np.testing.assert_allclose(said.detach().numpy(), head.outputs(inputs)[7], rtol=1e-5)
    with pytest.raises(Refused, match="give the row"):
        head_score(head, name)


def test_an_image_among_others_of_its_unit_has_its_share(place):
    """Features of a unit are averages, so one of three images moves them by a third."""
    head, inputs = trained(place, "sheet", target_kind="number", unit="sheet")
    name, averages = features_of(inputs)
    there = boda.open(place / "w.boda")
    sheets = dict(zip(there.frame()["key"].to_pylist(), there.frame()["sheet"].to_pylist(), strict=True))
    found = there.features()
    features = found.array[[row for row, key in enumerate(found.keys) if sheets[key] == 0]]
    assert len(features) == 3
    design = head.preparation.design(inputs.take(np.array([0]))).dense().astype(np.float32)
    held = Held(design, 3, np.asarray(features[1:].sum(axis=0), np.float32))
    one = torch.from_numpy(np.array(features[:1])).requires_grad_()
    said = head_score(head, name, None, held).of(one)
    np.testing.assert_allclose(said.detach().numpy(), head.outputs(inputs)[0], atol=1e-5)
    alone = head_score(head, name).of(averages)
    (slopes,), (whole,) = torch.autograd.grad(said.sum(), one), torch.autograd.grad(alone.sum(), averages)
    np.testing.assert_allclose(3 * slopes[0].numpy(), whole[0].numpy(), rtol=1e-4, atol=1e-7)


def test_what_cannot_be_asked_is_refused(place):
    """An answer too many, one too few, one that is not there, features it does not take."""
    number, inputs = trained(place, "bright", target_kind="number")
    name, _ = features_of(inputs)
    with pytest.raises(Refused, match="leave out 'over'"):
        head_score(number, name, "over")
    with pytest.raises(Refused, match="takes no features called 'clip'"):
        head_score(number, "clip")
    classes, _ = trained(place, "class")
    with pytest.raises(Refused, match="several answers; one of over, under"):
        head_score(classes, name)
    with pytest.raises(Refused, match="no answer 'below'"):
        head_score(classes, name, "below")


def two_class_model(kind: str) -> Predictor:
    """A head's model of two classes from three numbers: of one logit, of two, or of one that was split in two."""
    rng = np.random.default_rng(4)
    if kind == "logistic":
        halves = rng.normal(size=(3, 1)) * [[-0.5, 0.5]]
        return LogisticModel(LinearScores(halves, np.array([-0.1, 0.1])), {})
    if kind == "linear":
        return LinearModel(rng.normal(size=(3, 2)), rng.normal(size=2), unit_length=False)
    shapes = {"hidden_weights": (5, 3), "hidden_offset": 5, "output_weights": (1, 5), "output_offset": 1}
    return MlpModel({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}, TWO)


TWO = {"target": "class", "classes": 2}


@pytest.mark.parametrize("kind", ["mlp", "logistic", "linear"])
@pytest.mark.parametrize("calibration", [None, Temperature(1.7)])
def test_each_of_two_classes_has_its_log_odds(kind, calibration):
    """The logarithm of p / (1 - p) of what is predicted, times the temperature, however the model writes its scores.

    Of the two classes one has the other's with the other sign, and so its gradient too: neither is 0.
    """
    part = FeaturePart("x", "", "raw", np.zeros(3, np.float32), np.ones(3, np.float32))
    blank = Blank("class", "side", ("left", "right"))
    unknown = Trained.unknown(2)
    head = Head(
        "h", Asked("side", "class"), blank, (), Preparation((part,)), two_class_model(kind), unknown, None, calibration
    )
    rows = np.random.default_rng(5).normal(size=(20, 3)).astype(np.float32)
    shares = head.predict(Inputs((FeatureInput("x", "", rows, scaling="raw"),))).points
    expected = (1 if calibration is None else calibration.value) * np.log(shares / (1 - shares))
    features = torch.from_numpy(rows).requires_grad_()
    slopes = []
    for place, answer in enumerate(("left", "right")):
        score = head_score(head, "x", answer)
        said = score.of(features)
        np.testing.assert_allclose(said.detach().numpy(), expected[:, place], atol=1e-5 * np.ptp(expected))
        assert (score.unit, score.title) == ("log odds", f"side: {answer}, log odds")
        slopes.append(torch.autograd.grad(said.sum(), features)[0].numpy())
    np.testing.assert_allclose(slopes[0], -slopes[1], atol=1e-6)
    assert np.abs(slopes[0]).max() > 0.1
