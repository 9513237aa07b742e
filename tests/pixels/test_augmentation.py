"""Augmentations are data: presets by name, JSON and back, and one line for people."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import NotFound, Refused
from boda.pixels.augment import PRESETS, STEPS, Augmentation, augmentation_named
from boda.pixels.augmenting.crops import PadAndCrop, RandomResizedCrop, ScaleJitterCrop
from boda.pixels.augmenting.erasing import RandomErasing
from boda.pixels.augmenting.flips import HorizontalFlip, VerticalFlip
from boda.pixels.augmenting.jitter import ColorJitter, Lighting
from boda.pixels.augmenting.mixing import CutMix, MixUp
from boda.pixels.augmenting.policies import AutoAugment, RandAugment, TrivialAugment
from boda.pixels.augmenting.warping import Affine, Rotation

shares = st.floats(0, 1)
fills = st.one_of(st.sampled_from(["reflect", "edge"]), st.integers(0, 255), st.tuples(*[st.integers(0, 255)] * 3))
spans = st.tuples(shares, shares).map(sorted).map(tuple)
sizes = st.one_of(st.integers(1, 300), st.tuples(st.integers(1, 300), st.integers(1, 300)))
image_steps = st.one_of(
    st.builds(HorizontalFlip, shares),
    st.builds(VerticalFlip, shares),
    st.builds(Rotation, st.floats(0, 180), fills, st.sampled_from(["nearest", "bilinear"])),
    st.builds(Affine, st.floats(0, 180), st.tuples(shares, shares), fill=fills),
    st.builds(PadAndCrop, st.integers(0, 9), fills),
    st.builds(RandomResizedCrop, sizes, spans),
    st.builds(ScaleJitterCrop, st.integers(1, 30), st.tuples(st.integers(30, 40), st.integers(40, 50))),
    st.builds(ColorJitter, shares, shares, shares, st.floats(0, 0.5)),
    st.builds(Lighting, shares),
    st.builds(RandAugment, st.integers(0, 14), st.integers(0, 30), fill=fills),
    st.builds(TrivialAugment),
    st.builds(AutoAugment, st.sampled_from(["imagenet", "cifar10", "svhn"])),
    st.builds(RandomErasing, shares, spans, value=st.one_of(st.just("random"), st.integers(0, 255))),
)
mixings = st.one_of(st.builds(MixUp, st.floats(0.01, 10)), st.builds(CutMix, st.floats(0.01, 10)))
augmentations = st.tuples(st.lists(image_steps, max_size=4), st.lists(mixings, max_size=2)).map(
    lambda parts: Augmentation((*parts[0], *parts[1]))
)


@given(augmentations, augmentations)
def test_json_brings_back_what_it_was(one, other):
    """Through text; equal augmentations have equal JSON and equal words, and others have not."""
    assert Augmentation.from_json(json.loads(json.dumps(one.as_json()))) == one
    assert (one == other) == (one.as_json() == other.as_json())
    assert hash(one) == hash(Augmentation.from_json(one.as_json()))


def test_every_preset_survives_json():
    """And all steps are known by their names."""
    for augmentation in PRESETS.values():
        assert Augmentation.from_json(json.loads(json.dumps(augmentation.as_json()))) == augmentation
    assert {step.name for augmentation in PRESETS.values() for step in augmentation.steps} == set(STEPS) - {"affine"}


def test_presets_are_what_their_papers_and_the_notebook_say():
    """Step by step."""
    assert augmentation_named("none").steps == ()
    assert augmentation_named("cifar").steps == (PadAndCrop(4, fill=0), HorizontalFlip(0.5))
    assert augmentation_named("imagenet").steps == (
        ScaleJitterCrop(224, (256, 480)),
        HorizontalFlip(0.5),
        Lighting(0.1),
    )
    assert augmentation_named("notebook").steps == (
        HorizontalFlip(0.5),
        Rotation(15, fill="reflect"),
        ColorJitter(0.2, 0.2, 0.2, 0.1),
        RandomResizedCrop(224, scale=(0.8, 1)),
    )
    assert augmentation_named("randaugment-2-9").steps == (RandAugment(num_ops=2, magnitude=9),)


def test_presets_are_joined_and_changed():
    """`+` joins in order; a setting counts for every step that has it."""
    found = augmentation_named("inception+randaugment-2-9+cutmix?size=96x128&fill=0&scale=0.5/1&magnitude=5")
    assert found.steps == (
        RandomResizedCrop((96, 128), scale=(0.5, 1)),
        HorizontalFlip(),
        RandAugment(2, 5, fill=0),
        CutMix(),
    )
    assert augmentation_named("notebook?fill=255/0/0").steps[1] == Rotation(15, fill=(255, 0, 0))
    assert augmentation_named("erasing?value=random") == augmentation_named("erasing")


def test_words_say_what_is_not_as_by_default():
    """One line."""
    assert str(augmentation_named("notebook?fill=0&size=96x128")) == (
        "horizontal_flip, rotation(degrees=15, fill=0), "
        "color_jitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1), "
        "random_resized_crop(size=96x128, scale=(0.8, 1))"
    )
    assert str(augmentation_named("none")) == "none"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("notebok", "no augmentation 'notebok'; there are none, flip, cifar, imagenet"),
        ("cifar+", "no augmentation ''"),
        ("", "no augmentation ''"),
    ],
)
def test_unknown_names_are_answered_with_those_there_are(text, words):
    """In one line."""
    with pytest.raises(NotFound, match=words):
        augmentation_named(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cifar?size=3", "no setting 'size=3'; write NAME=VALUE, NAME one of fill, p, padding"),
        ("cifar?", "no setting ''"),
        ("none?p=1", "NAME one of none here"),
        ("cifar?padding", "no setting 'padding'"),
        ("cifar?padding=many", "padding=many must be a whole number"),
        ("cifar?p=0.1/0.2", "p="),
        ("cutmix+cifar", "cutmix mixes whole batches, so it comes after pad_and_crop"),
    ],
)
def test_settings_that_make_no_sense_are_refused(text, words):
    """In one line."""
    with pytest.raises(Refused, match=words):
        augmentation_named(text)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "one field 'steps'"),
        ({"steps": [{"step": "fog"}]}, "unknown step 'fog': written by a newer boda"),
        ({"steps": [{"step": "rotation", "degrees": 5, "speed": 1}]}, "rotation with an unknown field 'speed'"),
        ({"steps": [{"step": "rotation"}]}, "rotation without 'degrees'"),
        ({"steps": [{"step": "rotation", "degrees": "far"}]}, "degrees=far"),
    ],
)
def test_records_of_others_are_refused(record, words):
    """What this version does not know, and nonsense."""
    with pytest.raises(Refused, match=words):
        Augmentation.from_json(record)


def test_sizes_are_known():
    """What comes out, and how large the images should be that go in."""
    assert augmentation_named("cifar").shape is None
    assert augmentation_named("imagenet+cutmix").shape == (224, 224)
    assert augmentation_named("imagenet").sized((64, 64)).shape == (64, 64)
    assert augmentation_named("imagenet").short_side(224) == 480
    assert augmentation_named("inception").short_side(224) == 448
    assert augmentation_named("notebook").short_side(224) == 251
    assert augmentation_named("cifar").short_side(32) == 32


def test_flips_and_turns_are_known():
    """A flip that never happens is none."""
    galaxies = augmentation_named("galaxies")
    assert galaxies.flips("horizontal") and galaxies.flips("vertical") and galaxies.turn == 180
    assert augmentation_named("notebook").turn == 15
    assert not augmentation_named("notebook").flips("vertical")
    assert not augmentation_named("cifar?p=0").flips("horizontal")
