"""Autoencoder: an image through a narrow place and back, so that the narrow place holds what there is to see.

The published form for 28 x 28 pixels (`published`) halves the image twice, then one convolution as large as what is
left makes 512 numbers of it, with nothing after them; the way back mirrors that and ends in a sigmoid. `autoencoder`
makes the same for images of any size, channels and width.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from boda.errors import Refused

_REST = 7
"""Rows and columns that the last convolution takes at most."""
_LEAST = 8
"""Pixels on a side; smaller images have nothing to halve."""
_HIDDEN = 64
"""Of the classifier between features and scores."""


class Seen(NamedTuple):
    """What an autoencoder makes of a batch."""

    reconstruction: Tensor
    """(n, c, h, w), 0 to 1."""
    features: Tensor
    """(n, d)."""
    scores: Tensor | None
    """(n, k) before the softmax; None without a classifier."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an autoencoder is made of."""

    size: tuple[int, int] = (28, 28)
    """Height and width in pixels."""
    channels: int = 1
    stages: tuple[int, ...] = (32, 128)
    """Channels after each halving."""
    features: int = 512
    depth: int = 1
    """Convolutions a stage; those after the first keep the size."""
    batch_norm: bool = False
    classes: int = 0
    """Of the classifier; 0: none."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            Refused: says which number, and what it may be.
        """
        for name, value in (("channels", self.channels), ("features", self.features), ("depth", self.depth)):
            if value < 1:
                raise Refused(f"autoencoder with {name}={value}: it must be 1 or more")
        if self.classes == 1:
            raise Refused("autoencoder with a classifier of one class: there is nothing to tell apart")
        if min(self.size) < _LEAST:
            raise Refused(f"autoencoder for {self.size[0]} x {self.size[1]} pixels: {_LEAST} x {_LEAST} are the least")
        if not self.stages or min(self.stages) < 1:
            raise Refused(f"autoencoder with stages={self.stages}: give the channels after each halving")
        if min(self.sizes[-1]) < 2:
            raise Refused(f"autoencoder: {len(self.stages)} halvings leave nothing of {self.size[0]} x {self.size[1]}")

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width before and after each halving."""
        sizes = [self.size]
        for _ in self.stages:
            height, width = sizes[-1]
            sizes.append((math.ceil(height / 2), math.ceil(width / 2)))
        return tuple(sizes)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def stages_for(size: tuple[int, int]) -> tuple[int, ...]:
    """Channels after each halving for images of this size: halved until at most 7 rows and columns are left, or 2.

    >>> stages_for((28, 28)), stages_for((32, 32)), stages_for((224, 224))
    ((32, 128), (32, 128, 256), (32, 128, 256, 256, 256))
    """
    halvings, (short, long) = 0, sorted(size)
    while not halvings or (long > _REST and short > 2):
        halvings, short, long = halvings + 1, math.ceil(short / 2), math.ceil(long / 2)
    return (32, 128, *([256] * halvings))[:halvings]


class Autoencoder(nn.Module):
    """An encoder, a decoder, and a classifier on the features where one is asked for."""

    def __init__(self, shape: Shape) -> None:
        """Weights as PyTorch draws them; seed its generator for the same ones again.

        Args:
            shape: what it is made of.
        """
        super().__init__()
        self.shape = shape
        widths = (shape.channels, *shape.stages)
        down, up = [], []
        for before, after in itertools.pairwise(widths):
            down += _convolution(nn.Conv2d(before, after, 3, stride=2, padding=1), shape)
            for _ in range(shape.depth - 1):
                down += _convolution(nn.Conv2d(after, after, 3, padding=1), shape)
        down.append(_Whole(widths[-1], shape.features, shape.sizes[-1]))
        up += _convolution(_FromOne(shape.features, widths[-1], shape.sizes[-1]), shape)
        for place in range(len(shape.stages), 0, -1):
            for _ in range(shape.depth - 1):
                up += _convolution(nn.Conv2d(widths[place], widths[place], 3, padding=1), shape)
            larger = _doubling(widths[place], widths[place - 1], shape.sizes[place], shape.sizes[place - 1])
            up += _convolution(larger, shape) if place > 1 else [larger, nn.Sigmoid()]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)
        self.classifier = _classifier(shape) if shape.classes else None

    def encode(self, images: Tensor) -> Tensor:
        """(n, c, h, w), 0 to 1, to features (n, d).

        Raises:
            Refused: images of another size or number of channels.
        """
        wanted = (self.shape.channels, *self.shape.size)
        if tuple(images.shape[1:]) != wanted:
            given, made = (" x ".join(map(str, shape)) for shape in (images.shape[1:], wanted))
            raise Refused(f"images of {given}: this autoencoder was made for {made}")
        features: Tensor = self.encoder(images).flatten(1)
        return features

    def decode(self, features: Tensor) -> Tensor:
        """(n, d) features to images (n, c, h, w), 0 to 1."""
        images: Tensor = self.decoder(features[:, :, None, None])
        return images

    def forward(self, images: Tensor) -> Seen:
        """(n, c, h, w), 0 to 1, there and back. Nothing is kept on the module."""
        features = self.encode(images)
        scores = None if self.classifier is None else self.classifier(features)
        return Seen(self.decode(features), features, scores)


def published(classes: int = 0) -> Autoencoder:
    """The published form for 28 x 28 grey pixels: 512 features; `classes` adds a head 512-64-classes."""
    return Autoencoder(Shape(classes=classes))


def autoencoder(
    size: int | Sequence[int],
    *,
    channels: int = 3,
    stages: Sequence[int] | None = None,
    features: int = 512,
    depth: int = 1,
    batch_norm: bool = False,
    classes: int = 0,
) -> Autoencoder:
    """An autoencoder for images of any size.

    Args:
        size: of a side, or height and width, in pixels.
        channels: of the images.
        stages: channels after each halving; None: as `stages_for` has them.
        features: in the narrow place.
        depth: convolutions a stage.
        batch_norm: after each convolution but the one that makes the features and the last.
        classes: of a classifier on the features; 0: none.

    Raises:
        Refused: no such network can be built.
    """
    height, width = (size, size) if isinstance(size, int) else size
    there = tuple(stages) if stages is not None else stages_for((height, width))
    return Autoencoder(Shape((height, width), channels, there, features, depth, batch_norm, classes))


class _Whole(nn.Conv2d):
    """A convolution as large as its map: one product of matrices, which is what it is computed as."""

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) to (n, d, 1, 1)."""
        weight = self.weight.flatten(1)
        return nn.functional.linear(maps.flatten(1), weight, self.bias)[:, :, None, None]


class _FromOne(nn.ConvTranspose2d):
    """The way back from one place to a map, likewise."""

    def forward(self, features: Tensor) -> Tensor:  # type: ignore[override]
        """(n, d, 1, 1) to (n, c, h, w)."""
        maps: Tensor = features.flatten(1) @ self.weight.flatten(1)
        maps = maps.view(len(maps), *self.weight.shape[1:])
        return maps if self.bias is None else maps + self.bias[:, None, None]


def _convolution(layer: nn.Conv2d | nn.ConvTranspose2d, shape: Shape) -> list[nn.Module]:
    """A convolution and what follows it."""
    norm: list[nn.Module] = [nn.BatchNorm2d(layer.out_channels)] if shape.batch_norm else []
    return [layer, *norm, nn.SiLU()]


def _doubling(before: int, after: int, size: tuple[int, int], larger: tuple[int, int]) -> nn.ConvTranspose2d:
    """From one size to the one it was halved from; an odd one needs no pixel added."""
    added = (larger[0] - (2 * size[0] - 1), larger[1] - (2 * size[1] - 1))
    return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=added)


def _classifier(shape: Shape) -> nn.Sequential:
    return nn.Sequential(nn.Linear(shape.features, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, shape.classes))


def interpolated(first: Tensor, second: Tensor, steps: int) -> Tensor:
    """(steps, d) features on the straight line from one (d,) to another, both ends included.

    Raises:
        Refused: fewer than two steps.
    """
    if steps < 2:
        raise Refused(f"interpolation in {steps} steps: two are the least, the images themselves")
    shares = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)[:, None]
    return (1 - shares) * first + shares * second


def traversed(features: Tensor, place: int, values: Tensor) -> Tensor:
    """(v, d) copies of the features (d,) of one image, in which one feature takes each of the values (v,).

    Raises:
        Refused: there is no such feature.
    """
    if not 0 <= place < len(features):
        raise Refused(f"feature {place} of {len(features)}: they are counted from 0")
    moved = features.repeat(len(values), 1)
    moved[:, place] = values
    return moved
