"""The contract is worth something: encoders that break it fail the fact they break."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.testing import EncoderContract
from boda.testing.encoder_contract import modules_in_training, some_pixels

SPEC = PixelSpec(resize=16, crop=(16, 16))
PIXELS = some_pixels((16, 16))


class Honest:
    """A tiny encoder that keeps the contract, for the broken ones to differ from in one thing."""

    device, width = "cpu", 5

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), *self.extra(), torch.nn.Flatten(2)).eval()
        self.recipe = Recipe("mine:honest", "0" * 64, "output", "mean", SPEC)

    def extra(self) -> list[torch.nn.Module]:
        return []

    def __call__(self, pixels):
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (16, 16, 3):
            raise Refused("needs uint8 (n, 16, 16, 3)")
        with torch.inference_mode():
            batch = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255
            return self.net(batch).mean(2).numpy()

    def at(self, precision):
        if precision != "fp32":
            raise Refused("fp32 only")
        return self


class DropoutInTraining(Honest):
    def extra(self):
        return [torch.nn.Dropout(0.5)]

    def __init__(self):
        super().__init__()
        self.net.train()


class BatchNormInTraining(Honest):
    def extra(self):
        return [torch.nn.BatchNorm2d(5)]

    def __init__(self):
        super().__init__()
        self.net.train()


class HiddenBatchNorm(BatchNormInTraining):
    """Its module cannot be found by looking, only by what it does."""

    def __init__(self):
        super().__init__()
        net = self.__dict__.pop("net")
        self.hidden = lambda batch: net(batch)  # noqa: PLW0108 - a bound method would show the network

    def __call__(self, pixels):
        with torch.inference_mode():
            return self.hidden(torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255).mean(2).numpy()


class Drifting(Honest):
    def __init__(self):
        super().__init__()
        self.count = itertools.count()

    def __call__(self, pixels):
        return super().__call__(pixels) + np.float32(next(self.count))


class Scribbling(Honest):
    def __call__(self, pixels):
        features = super().__call__(pixels)
        if pixels.flags.writeable:
            pixels[:] = 0
        return features


class Contract(EncoderContract):
    __test__ = False

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def make(self):
        return self.kind()


FACTS = [name for name in dir(EncoderContract) if name.startswith("test_")]


def broken_facts(kind: type) -> set[str]:
    contract, encoder = Contract(kind), kind()
    broken = set()
    for name in FACTS:
        fact = getattr(contract, name)
        needs = fact.__code__.co_varnames[: fact.__code__.co_argcount]
        given = {"encoder": encoder, "pixels": PIXELS.copy()}
        try:
            fact(**{need: given[need] for need in needs if need in given})
        except pytest.skip.Exception:
            pass
        except (AssertionError, Refused, pytest.fail.Exception):
            broken.add(name)
    return broken


def test_an_honest_encoder_passes():
    """Nothing in the contract asks for more than the protocol says."""
    assert broken_facts(Honest) == set()


@pytest.mark.parametrize("kind", [DropoutInTraining, BatchNormInTraining])
def test_one_that_never_calls_eval_is_rejected(kind: type):
    """Dropout and batch norm in training mode are named."""
    assert "test_is_in_eval_mode" in broken_facts(kind)


def test_train_mode_is_also_seen_by_what_it_does():
    """Dropout gives other bits each time; batch norm makes an image depend on its neighbours, hidden or not."""
    assert "test_twice_is_the_same" in broken_facts(DropoutInTraining)
    assert "test_alone_and_in_a_batch_are_the_same" in broken_facts(BatchNormInTraining)
    assert "test_alone_and_in_a_batch_are_the_same" in broken_facts(HiddenBatchNorm)


def test_one_that_drifts_is_rejected():
    """Numbers that change from call to call fail."""
    assert "test_twice_is_the_same" in broken_facts(Drifting)


def test_one_that_writes_into_its_input_is_rejected():
    """Pixels are shared between encoders."""
    assert "test_the_pixels_stay_as_they_were" in broken_facts(Scribbling)


def test_modules_are_found_inside_containers():
    """In attributes, lists and dicts of an encoder."""

    class Holder:
        def __init__(self, thing):
            self.thing = thing

    net = torch.nn.Sequential(torch.nn.Dropout())
    assert modules_in_training(Holder([net]))
    assert modules_in_training(Holder({"a": net}))
    assert modules_in_training(Holder(net.eval())) == []


def test_the_suite_is_public():
    """`from boda.testing import EncoderContract` is what the documentation says."""
    import boda.testing

    assert boda.testing.__all__ == ["EncoderContract"]
    assert Path(boda.testing.__file__).name == "__init__.py"
