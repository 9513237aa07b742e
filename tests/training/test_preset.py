"""Presets: frozen, plain JSON and back, and refused where no training could be so."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pixels.augment import augmentation_named
from boda.training.preset import PRESETS, Preset, preset_named

PLAIN = Preset("plain", epochs=1, batch=2, lr=0.1)


def test_a_preset_cannot_be_written_to():
    """It is what a checkpoint says the run is."""
    with pytest.raises(FrozenInstanceError):
        PLAIN.lr = 1.0
    assert PLAIN.changed(lr=1.0).lr == 1.0
    assert PLAIN.lr == 0.1


@given(st.sampled_from(sorted(PRESETS)), st.integers(1, 10**7))
def test_few_rows_get_small_steps(name, rows):
    """An epoch has at least twenty, as far as a step has eight images; the rate falls with the batch."""
    preset = preset_named(name)
    few = preset.for_few(rows)
    if preset.optimiser != "sgd" or rows >= 20 * preset.batch:
        assert few == preset
        return
    assert few.batch == 8 or rows // few.batch >= 20 > rows // (2 * few.batch)
    assert few.lr / few.batch == pytest.approx(preset.lr / preset.batch)
    assert few.changes().keys() == {"batch", "lr"}
    assert few.changed(batch=preset.batch, lr=preset.lr) == preset


def test_a_preset_says_what_is_not_as_its_name_says():
    """Nothing of a preset as it is; all of nothing where nobody knows the name."""
    assert preset_named("cifar-fast").changes() == {}
    assert preset_named("cifar-fast").changed(epochs=3, drops=(0.5,)).changes() == {"epochs": 3, "drops": (0.5,)}
    assert PLAIN.changes() == {}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name):
    """Field by field; its augmentation exists."""
    one = preset_named(name)
    assert one.name == name
    assert Preset.from_json(json.loads(json.dumps(one.as_json(), allow_nan=False))) == one
    augmentation_named(one.augmentation)


@given(
    st.builds(
        Preset,
        name=st.text(),
        epochs=st.integers(1, 999),
        batch=st.integers(1, 999),
        lr=st.floats(1e-9, 1e9),
        iterations=st.none() | st.integers(1, 10**6),
        optimiser=st.sampled_from(["sgd", "adam", "adamw"]),
        curve=st.sampled_from(["constant", "steps", "plateau", "one-cycle", "cosine"]),
        drops=st.lists(st.floats(0.01, 0.99)).map(tuple),
        average=st.none() | st.floats(0, 0.999),
        precision=st.sampled_from(["fp32", "bf16"]),
        patience=st.none() | st.integers(1, 9),
    )
)
def test_any_preset_survives_json(one):
    """Also those of the user's own."""
    assert Preset.from_json(json.loads(json.dumps(one.as_json(), allow_nan=False))) == one


def test_drops_are_the_same_however_they_are_given():
    """A list, as options and JSON have it, equals a tuple."""
    assert PLAIN.changed(drops=[0.5, 0.75]) == PLAIN.changed(drops=(0.5, 0.75))
    assert hash(PLAIN.changed(drops=[0.5])) == hash(PLAIN.changed(drops=(0.5,)))


def test_numbers_of_numpy_are_numbers():
    """They go into JSON as any other."""
    one = PLAIN.changed(lr=np.float32(0.5), clip=np.float64(1), drops=[np.float32(0.5)], average=np.float16(0.5))
    assert one == PLAIN.changed(lr=0.5, clip=1, drops=[0.5], average=0.5)
    assert Preset.from_json(json.loads(json.dumps(one.as_json()))) == one


def test_a_preset_of_a_newer_boda_is_refused():
    """It says which field is not known."""
    with pytest.raises(Refused, match="preset with an unknown field 'wisdom': written by a newer boda"):
        Preset.from_json(PLAIN.as_json() | {"wisdom": 1})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "epochs is 0; it must be a whole number from 1"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"batch": True}, "batch is True"),
        ({"iterations": 0}, "iterations is 0"),
        ({"patience": 0}, "patience is 0"),
        ({"patience_of_plateau": 0}, "patience_of_plateau is 0"),
        ({"optimiser": "lion"}, "optimiser is 'lion'; it can be sgd, adam, adamw"),
        ({"curve": "step"}, "curve is 'step'; it can be constant, steps"),
        ({"precision": "fp16"}, "precision is 'fp16'; it can be fp32, bf16"),
        ({"lr": 0.0}, "lr is 0.0; it must be a number above 0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"weight_decay": -1e-4}, "weight_decay is -0.0001; it must be a number from 0"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        ({"warmup": 1.0}, "warmup is 1.0"),
        ({"average": 1.0}, "average is 1.0"),
        ({"average": float("nan")}, "average is nan"),
        ({"drops": (0.5, 1.0)}, "drops are"),
        ({"drops": (48_000,)}, "shares of all steps"),
        ({"drops": "0.5"}, "drops are '0.5'"),
        ({"lr": "0.1"}, "lr is '0.1'; it must be a number above 0"),
        ({"clip": 0}, "clip is 0; it must be a number above 0"),
        ({"nesterov": "no"}, "nesterov is 'no'; it can be True or False"),
        ({"momentum": None}, "momentum is None"),
        ({"warmup": None}, "warmup is None"),
        ({"augmentation": None}, "augmentation is 'None'; it must be a name"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value.items())),
)
def test_what_no_training_can_be_is_refused(changes, said):
    """In one line that names the field."""
    with pytest.raises(Refused, match=said):
        PLAIN.changed(**changes)


def test_unknown_names_are_refused_with_those_that_there_are():
    """Of settings, and of presets."""
    with pytest.raises(Refused, match=r"no setting 'epoch'; one of .*epochs"):
        PLAIN.changed(epoch=3)
    with pytest.raises(Refused, match=r"no preset 'cifar'; one of cifar-paper"):
        preset_named("cifar")


def test_the_papers_numbers():
    """He et al. 2015, sections 3.4 and 4.2."""
    cifar, imagenet = preset_named("cifar-paper"), preset_named("imagenet-paper")
    assert (cifar.batch, cifar.lr, cifar.momentum, cifar.weight_decay, cifar.iterations) == (
        128, 0.1, 0.9, 1e-4, 64_000,
    )  # fmt: skip
    assert (imagenet.batch, imagenet.lr, imagenet.iterations, imagenet.curve) == (256, 0.1, 600_000, "plateau")
    for one in (cifar, imagenet):
        assert (one.optimiser, one.nesterov, one.decay_norms, one.average, one.label_smoothing) == (
            "sgd", False, True, None, 0.0,
        )  # fmt: skip
    assert cifar.epochs * -(-45_000 // 128) >= 64_000
    assert imagenet.epochs * -(-1_281_167 // 256) >= 600_000
