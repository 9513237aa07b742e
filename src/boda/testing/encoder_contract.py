"""What every encoder must do, as tests to inherit.

    class TestMine(EncoderContract):
        name = "my_module:my_encoder"

or, where it is no name, override `make`. pytest then runs every fact below on it.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder
from boda.encoders.registry import load_encoder
from boda.errors import Refused
from boda.recipe import Recipe

_PRINT_ID = "import sys, json, boda; print(boda.load_encoder(sys.argv[1], **json.loads(sys.argv[2])).recipe.id)"


class EncoderContract:
    """Facts about one encoder; subclass it and set `name`, or override `make`."""

    name: ClassVar[str] = ""
    """For `boda.load_encoder`; also loaded in a fresh process, unless `make` is overridden."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Also for `boda.load_encoder`: `{"layer": "layer3", "pooling": "gem"}`."""
    tolerance: ClassVar[float] = 1e-5
    """How far an image's features may differ between batch sizes, relative to their norm (fp32)."""
    _made: ClassVar[Encoder | None] = None

    def make(self) -> Encoder:
        """A new encoder."""
        return load_encoder(self.name, **self.options)

    @pytest.fixture
    def encoder(self) -> Encoder:
        """One encoder for the whole class."""
        made = type(self).__dict__.get("_made")
        if made is None:
            made = self.make()
            type(self)._made = made
        encoder: Encoder = made
        return encoder

    @pytest.fixture
    def pixels(self, encoder: Encoder) -> Pixels:
        """Six different images in the encoder's own shape: noise, squares of noise, a ramp, one plain."""
        assert encoder.recipe.pixels is not None
        return some_pixels(encoder.recipe.pixels.shape)

    def test_one_float32_row_an_image(self, encoder: Encoder, pixels: Pixels) -> None:
        """(n, width) float32, finite, and not the same for different images."""
        features = encoder(pixels)
        assert features.dtype == np.float32
        assert features.shape == (len(pixels), encoder.width)
        assert np.isfinite(features).all()
        assert len(np.unique(features, axis=0)) == len(pixels)

    def test_no_images_give_no_rows(self, encoder: Encoder, pixels: Pixels) -> None:
        """An empty batch is not an error."""
        assert encoder(pixels[:0]).shape == (0, encoder.width)

    def test_alone_and_in_a_batch_are_the_same(self, encoder: Encoder, pixels: Pixels) -> None:
        """No image's features depend on the images beside it, nor on the order. Train-mode batch norm fails here."""
        together = encoder(pixels)
        alone = np.concatenate([encoder(one[None]) for one in pixels])
        backwards = encoder(np.ascontiguousarray(pixels[::-1]))[::-1]
        assert apart(alone, together) <= self.tolerance
        assert apart(backwards, together) <= self.tolerance

    def test_twice_is_the_same(self, encoder: Encoder, pixels: Pixels) -> None:
        """Calling it again gives the same bits. Train-mode dropout fails here."""
        first = encoder(pixels)
        np.testing.assert_array_equal(encoder(pixels), first)

    def test_another_one_is_the_same(self, encoder: Encoder, pixels: Pixels) -> None:
        """A second encoder of this name has the same recipe and gives the same features."""
        other = self.make()
        assert other.recipe == encoder.recipe
        assert apart(other(pixels), encoder(pixels)) <= self.tolerance

    def test_is_in_eval_mode(self, encoder: Encoder) -> None:
        """No torch module that can be found inside it is in training mode."""
        training = modules_in_training(encoder)
        assert not training, f"call eval(): {', '.join(training[:5])} in training mode"

    def test_threads_do_not_disturb_each_other(self, encoder: Encoder, pixels: Pixels) -> None:
        """Called from two threads at once, each on one core, it gives the bits it gives alone on one core."""
        expected = on_one_core(encoder, pixels)
        found: list[Features] = []
        threads = [
            threading.Thread(target=lambda: found.extend(on_one_core(encoder, pixels) for _ in range(3)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 6
        for features in found:
            np.testing.assert_array_equal(features, expected)

    def test_the_pixels_stay_as_they_were(self, encoder: Encoder, pixels: Pixels) -> None:
        """Its input is not written to, and may be read-only."""
        locked = pixels.copy()
        locked.flags.writeable = False
        encoder(locked)
        mine = pixels.copy()
        encoder(mine)
        np.testing.assert_array_equal(mine, pixels)

    def test_pixels_may_lie_in_any_order_in_memory(self, encoder: Encoder, pixels: Pixels) -> None:
        """Views with gaps or turned strides count like copies."""
        assert apart(encoder(pixels[::2]), encoder(pixels[::2].copy())) <= self.tolerance
        np.testing.assert_array_equal(encoder(pixels[:, :, ::-1]), encoder(pixels[:, :, ::-1].copy()))

    def test_other_shapes_and_types_are_refused(self, encoder: Encoder, pixels: Pixels) -> None:
        """One line says what is needed, for another size, a single image, and floats."""
        wrongs: list[Any] = [pixels[:, :-1], pixels[0], pixels[..., :1], pixels.astype(np.float32)]
        for wrong in wrongs:
            with pytest.raises(Refused, match="uint8") as refusal:
                encoder(wrong)
            assert "\n" not in str(refusal.value)

    def test_the_recipe_survives_json(self, encoder: Encoder) -> None:
        """The recipe that was written is the recipe that is read, with the same id."""
        read = Recipe.from_json(json.loads(json.dumps(encoder.recipe.as_json())))
        assert read == encoder.recipe
        assert read.id == encoder.recipe.id
        assert (read.name, read.licence) == (encoder.recipe.name, encoder.recipe.licence)

    def test_the_recipe_is_the_same_in_another_process(self, encoder: Encoder) -> None:
        """Its id depends on nothing of this process."""
        if not self.name or type(self).make is not EncoderContract.make:
            pytest.skip("it has no name by which another process could load it")
        command = [sys.executable, "-c", _PRINT_ID, self.name, json.dumps(dict(self.options))]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert told.strip() == encoder.recipe.id

    def test_precision_is_part_of_the_recipe(self, encoder: Encoder, pixels: Pixels) -> None:
        """fp32 is itself; bf16 is another recipe, stored as float16, of the same width, or is refused."""
        assert encoder.at("fp32").recipe == encoder.recipe
        try:
            half = encoder.at("bf16")
        except Refused:
            return
        assert half.recipe == replace(encoder.recipe, precision="bf16")
        assert half.recipe.dtype == "float16"
        assert half.width == encoder.width
        assert half.at("fp32").recipe == encoder.recipe
        assert half(pixels).shape == (len(pixels), encoder.width)


def some_pixels(shape: tuple[int, int]) -> Pixels:
    """Six different images of one shape (height, width), always the same."""
    rng = np.random.default_rng(7)
    h, w = shape
    noise = rng.integers(0, 256, (2, h, w, 3))
    coarse = rng.integers(0, 256, (2, -(-h // 16), -(-w // 16), 3)).repeat(16, axis=1).repeat(16, axis=2)[:, :h, :w]
    ramp = np.broadcast_to(np.linspace(0, 255, w)[None, :, None], (h, w, 3))
    plain = np.full((h, w, 3), (200, 30, 90))
    return np.concatenate([noise, coarse, ramp[None], plain[None]]).astype(np.uint8)


def apart(a: Features, b: Features) -> float:
    """The largest distance between row i of `a` and row i of `b`, relative to the norm of the latter."""
    norms = np.linalg.norm(b, axis=1)
    distances: Features = np.linalg.norm(a - b, axis=1) / np.where(norms > 0, norms, 1)
    return float(distances.max())


def on_one_core(encoder: Encoder, pixels: Pixels) -> Features:
    """Its features, computed on one core, as a lane of a run does."""
    from boda.encoders.threads import one_core_for_this_thread

    with one_core_for_this_thread():
        return encoder(pixels)


def modules_in_training(thing: Any, depth: int = 4) -> list[str]:
    """Names of torch modules in training mode within an object's attributes; [] where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None or depth == 0:
        return []
    if isinstance(thing, torch.nn.Module):
        return [name or type(thing).__name__ for name, part in thing.named_modules() if part.training]
    return [found for inner in _attributes(thing) for found in modules_in_training(inner, depth - 1)]


def _attributes(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, list | tuple):
        return list(thing)
    named = list(getattr(thing, "__dict__", {}).values())
    slots = [f.name for f in fields(thing)] if hasattr(thing, "__dataclass_fields__") else []
    return named + [getattr(thing, name) for name in slots if hasattr(thing, name)]
