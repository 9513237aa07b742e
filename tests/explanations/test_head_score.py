"""The score of a head through torch is what the head says, for every kind of target, model, scaling and input."""

import numpy as np
import pytest
import torch

import boda
from boda.errors import Refused
from boda.explanations.head_score import Held, answers_of, head_score
from boda.heads.assembling import assemble
from boda.heads.inputs import FeatureInput
from tunable import make_tunable


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """32 images with labels of every kind, a network, and a workspace of both."""
    return make_tunable(tmp_path_factory.mktemp("head-score"))


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
