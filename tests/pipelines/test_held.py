"""What a head is given beside an image of no row: the mean of its training rows, where it keeps that."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from boda.errors import Refused
from boda.explanations.head_score import head_score
from boda.heads.asking import Asked
from boda.heads.assembling import Unit, Wanted
from boda.heads.head import Head, Trained
from boda.heads.inputs import CategoryInput, FeatureInput, Input, Inputs, NumberInput
from boda.heads.linear import LinearModel
from boda.heads.preparation import Preparation
from boda.heads.target import Blank
from boda.pipelines.explaining.held import held_at_mean
from boda.recipe import Recipe

N = 20
RNG = np.random.default_rng(0)
AUTO, OTHER = (Recipe(name, "", "pooled", "model", None, name=name) for name in ("auto", "other"))


def features(recipe: Recipe, scaling: str = "standardised", name: str = "") -> FeatureInput:
    return FeatureInput(name or recipe.name, recipe.id, RNG.normal(3, 2, (N, 4)).astype(np.float32), scaling=scaling)


def head_of(*blocks: Input, unit: Unit | None = None) -> Head:
    """A linear head of one number, prepared by these rows."""
    inputs = Inputs(blocks)
    preparation = Preparation.fit(inputs, np.arange(N))
    model = LinearModel(RNG.normal(size=(preparation.width, 1)), np.ones(1), unit_length=False)
    recipes = {one.id: one for one in (AUTO, OTHER)}
    named = {one.name.partition("@")[0]: one for one in blocks}
    wanted = tuple(Wanted(name, recipes.get(getattr(one, "recipe", ""))) for name, one in named.items())
    return Head("h", Asked("y"), Blank("number", "y"), wanted, preparation, model, Trained.unknown(1), unit)


def said(head: Head, rows: np.ndarray) -> np.ndarray:
    block, held = held_at_mean(head, AUTO)
    return head_score(head, block, None, held).of(torch.from_numpy(rows)).numpy()


def test_numbers_and_standardised_features_are_held_at_their_means():
    """The head says what it predicts of such rows; a number that some rows lack counts as known."""
    age = RNG.normal(50, 9, N)
    age[3] = np.nan
    image, other, number = features(AUTO), features(OTHER), NumberInput("age", age)
    head = head_of(image, other, number)
    middle = np.repeat(other.array.mean(axis=0, keepdims=True), N, axis=0)
    beside = (FeatureInput("other", OTHER.id, middle), NumberInput("age", np.full(N, np.nanmean(age))))
    np.testing.assert_allclose(said(head, image.array), head.predict(Inputs((image, *beside))).points, atol=1e-4)


def test_an_image_alone_has_nothing_beside_it():
    """Nor has one whose unit is the average of several images."""
    for unit in (None, Unit("house")):
        image = features(AUTO, "normalised")
        head = head_of(image, unit=unit)
        assert held_at_mean(head, AUTO) == ("auto", None)
        np.testing.assert_allclose(said(head, image.array), head.predict(Inputs((image,))).points, atol=1e-5)


@pytest.mark.parametrize(
    ("beside", "name"),
    [
        (CategoryInput("zip", np.array(["a", "b"] * (N // 2), object)), "zip"),
        (features(OTHER, "normalised"), "other"),
        (features(OTHER, "raw"), "other"),
    ],
)
def test_what_has_no_mean_that_is_kept_is_refused(beside, name):
    """By its name, with what to do."""
    with pytest.raises(Refused, match=f"head 'h' keeps no mean of {name} .*start from an image of the workspace"):
        held_at_mean(head_of(features(AUTO), NumberInput("age", np.arange(float(N))), beside), AUTO)


def test_which_of_several_views_an_image_takes_has_to_be_said():
    """By the image that is begun with."""
    views = [features(AUTO, name=f"auto@{view}") for view in ("bath", "hall")]
    with pytest.raises(Refused, match="looks at 2 images of a house side by side: start from one of these"):
        held_at_mean(head_of(*views, unit=Unit("house", "room", ("bath", "hall"))), AUTO)
