"""Backends: other libraries than torch that compute what a torch encoder computes, on the CPU.

A backend is taken only where its features agree with torch's on images that are made here: every cosine reaches
`boda.encoders.precision.GATE`. It is part of the recipe (`arguments["backend"]`) all the same: agreement within a gate
is not sameness, nothing about the networks to come is shown by the images of today, and features of both would else
mix in one workspace in silence. A head that was fitted on the one and shall serve the other is the user's decision, not
an accident.
"""

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder
from boda.encoders.onnx_graph import onnx_graph
from boda.encoders.pixel_shape import check_pixels
from boda.encoders.precision import GATE, cosines
from boda.encoders.text import TorchTextEncoder, as_text_encoder
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.recipe import Precision, Recipe

Backend: TypeAlias = Literal["torch", "onnx", "openvino"]
Run: TypeAlias = Callable[[Pixels], Features]
"""(n, h, w, 3) uint8, n > 0, to (n, d) float32; called from several threads at once, it uses as many cores as torch
would in the same thread."""

_RUNTIMES: Final = {"onnx": "boda.encoders.onnx_backend:load", "openvino": "boda.encoders.openvino_backend:load"}
"""The function that makes a `Run` from the bytes of an ONNX file."""

_log = logging.getLogger(__name__)


class ConvertedEncoder:
    """A torch encoder's features, computed by another library. Features only, in fp32, on the CPU."""

    device = "cpu"

    def __init__(self, source: TorchEncoder, backend: Backend, run: Run, said: str) -> None:
        """An encoder whose numbers come from `run`.

        Args:
            source: the torch encoder, at fp32; its layers and its text side stay within reach.
            backend: the name of what runs.
            run: gives the features.
            said: how well it agrees with torch.
        """
        self._source, self._backend, self._run = source, backend, run
        self._recipe = replace(source.recipe, arguments={**source.recipe.arguments, "backend": backend})
        self.notes = (*source.notes, said)

    @property
    def recipe(self) -> Recipe:
        """Of the torch encoder, with the backend among its arguments."""
        return self._recipe

    @property
    def width(self) -> int:
        """Length of one feature vector."""
        return self._source.width

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, d) float32.

        Raises:
            Refused: the pixels are not of the recipe's shape.
        """
        check_pixels(pixels, self._recipe)
        if not len(pixels):
            return np.zeros((0, self.width), np.float32)
        return self._run(np.ascontiguousarray(pixels))

    def take(self, layer: str | None = None, pooling: str | None = None) -> Encoder:
        """The encoder whose features are what a layer gives, pooled, computed by the same backend.

        Raises: as `TorchEncoder.take` and `converted`.
        """
        taken = self._source.take(layer, pooling)
        return self if taken is self._source else converted(taken, self._backend)

    def at(self, precision: Precision) -> "ConvertedEncoder":
        """Itself: there is only fp32.

        Raises:
            Refused: for bf16.
        """
        if precision != "fp32":
            raise Refused(f"--backend {self._backend} computes in fp32 only: leave out --precision {precision}")
        return self


class ConvertedTextEncoder(ConvertedEncoder):
    """The same with a text side, which stays in torch."""

    def encode_text(self, texts: Sequence[str]) -> Features:
        """Texts to (n, d) float32, not normalised; as the torch encoder does."""
        return as_text_encoder(self._source).encode_text(texts)


def backend_device(backend: str, device: str) -> str:
    """The device to load an encoder on that this backend is to compute: other backends than torch have the CPU.

    Raises:
        Refused: there is no such backend, or it cannot use this device.
    """
    if backend not in get_args(Backend):
        raise Refused(f"no backend {backend!r}; one of {', '.join(get_args(Backend))}")
    if backend == "torch":
        return device
    if device not in {"auto", "cpu"}:
        raise Refused(f"--backend {backend} runs on the CPU: leave out --device {device}")
    return "cpu"


def converted(encoder: Encoder, backend: Backend) -> Encoder:
    """The encoder, computed by this backend; itself for `torch`.

    The graph is made anew each time and kept in memory, 5 to 15 s a network: nothing on disk can be out of date.

    Raises:
        MissingExtra: the backend is not installed.
        Refused: it is no torch encoder, cannot be written as a graph, or the backend gives other features.
    """
    if backend == "torch":
        return encoder
    if not isinstance(encoder, TorchEncoder):
        raise Refused(f"encoder {encoder.recipe.name!r} is not computed by torch: leave out --backend {backend}")
    module, _, function = _RUNTIMES[backend].partition(":")
    load = getattr(importlib.import_module(module), function)
    exact = encoder.at("fp32")
    run: Run = load(lambda: onnx_graph(exact), f"--backend {backend}")
    said = _compared(exact, run, backend)
    kind = ConvertedTextEncoder if isinstance(exact, TorchTextEncoder) else ConvertedEncoder
    return kind(exact, backend, run, said)


def _compared(exact: TorchEncoder, run: Run, backend: Backend) -> str:
    """How well a backend agrees with torch, in one line.

    Raises:
        Refused: not well enough.
    """
    assert exact.recipe.pixels is not None
    pixels = _images(exact.recipe.pixels.shape)
    ours, theirs = exact(pixels), run(pixels)
    name = exact.recipe.name
    if theirs.shape != ours.shape:
        raise Refused(f"{backend} gives {name} features of shape {theirs.shape}, not {ours.shape}: use --backend torch")
    least, most = float(cosines(theirs, ours).min()), float(np.abs(theirs - ours).max())
    said = f"{name}: {backend} agrees with torch to a cosine of {least:.7f}, largest difference {most:.1e}"
    if not least >= GATE:
        raise Refused(f"{said}; {GATE} is needed: use --backend torch")
    _log.info("%s", said)
    return said


def _images(shape: tuple[int, int]) -> Pixels:
    """Four images, always the same: noise, coarse squares, a ramp, one plain colour."""
    rng = np.random.default_rng(11)
    h, w = shape
    noise = rng.integers(0, 256, (1, h, w, 3))
    coarse = rng.integers(0, 256, (1, -(-h // 16), -(-w // 16), 3)).repeat(16, axis=1).repeat(16, axis=2)[:, :h, :w]
    ramp = np.broadcast_to(np.linspace(0, 255, w)[None, None, :, None], (1, h, w, 3))
    plain = np.full((1, h, w, 3), (60, 120, 200))
    return np.concatenate([noise, coarse, ramp, plain]).astype(np.uint8)
