"""Activation maximisation: the image that excites a score most, found by gradient ascent.

For a class: Simonyan et al., ICLR workshop 2014, arXiv:1312.6034; the canvas and the random moves: Olah et al., Distill
2017, doi:10.23915/distill.00007. It shows what a score asks for, not what it met in photographs: see beside it the
images of a collection that excite it most.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from boda.arrays import Pixels
from boda.encoders.normalising import normalisation
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.canvas import Basis, Canvas, scrambled
from boda.explanations.passes import gradients_on, one_a_row, refuse_unmoved, scored
from boda.explanations.score import Score

_TRIES = 8
"""Draws of noise, each twice as strong, until one moves the score: behind ReLUs a unit may be silent at faint noise."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """How to climb. Before each step the image is moved at random, so that what is found does not hang on a pixel."""

    steps: int = 256
    rate: float = 0.05
    """Of Adam."""
    basis: Basis = "fourier"
    decorrelated: bool = True
    falloff: float = 1.0
    """Of waves with frequency (`boda.explanations.canvas`); above 1 large forms come first."""
    spread: float = 0.01
    """Standard deviation of the numbers of the first noise."""
    jitter: float = 1 / 16
    """Largest shift, in shorter sides; what leaves at one border comes in at the other."""
    scaling: float = 0.0
    """Largest change of size: 0.1 is 0.9 to 1.1 times."""
    rotation: float = 0.0
    """Largest angle, in degrees."""
    total_variation: float = 0.0
    """What a mean difference of 1 between neighbouring pixels, on a 0..1 scale, costs, in the unit of the score."""
    l2: float = 0.0
    """What a mean squared distance of 1 from middle grey, on a 0..1 scale, costs, in the unit of the score."""

    def __post_init__(self) -> None:
        """Check every value."""
        if self.steps < 1 or not (self.rate > 0 and self.spread > 0):
            raise Refused(f"steps={self.steps} must be at least 1, rate={self.rate} and spread={self.spread} above 0")
        if self.basis not in {"fourier", "pixels"}:
            raise Refused(f"no basis {self.basis!r}; one of fourier, pixels")
        if not (0 <= self.jitter <= 1 and 0 <= self.scaling < 1 and self.rotation >= 0):
            raise Refused(
                f"jitter={self.jitter} must lie in 0..1, scaling={self.scaling} in 0..1 without 1, "
                f"rotation={self.rotation} be at least 0"
            )
        if not (self.total_variation >= 0 and self.l2 >= 0 and self.falloff >= 0):
            raise Refused(
                f"total_variation={self.total_variation}, l2={self.l2} and falloff={self.falloff} must be at least 0"
            )


PLAIN = Ascent()


@dataclass(frozen=True, eq=False)
class Maximised:
    """An image made to excite a score, and what the score says of it, of the start, and of noise as strong."""

    score: Score
    pixels: Pixels
    """(h, w, 3)."""
    value: float
    """Of these very pixels, rounded to uint8 and unmoved."""
    start: float
    """Of the image or noise it began with."""
    noise: npt.NDArray[np.float64]
    """(m,) of images with the very waves and colours of `pixels`, shifted by chance: what strength alone reaches."""
    curve: npt.NDArray[np.float64]
    """(steps,) before each step, of the image as it was moved."""


def maximised(
    opened: OpenNetwork,
    score: Score,
    *,
    generator: torch.Generator,
    ascent: Ascent = PLAIN,
    start: Pixels | None = None,
    nulls: int = 16,
) -> Maximised:
    """Climb from noise, or from an image.

    Args:
        opened: the network; left as it was.
        score: of a class, a channel, a unit, a head.
        generator: of noise and moves, on the CPU; the same seed gives the same image on one machine.
        ascent: how.
        start: (h, w, 3) of the network's size; None: noise.
        nulls: images of `noise`.

    Raises:
        Refused: the start has another shape or does not move the score, or the score became NaN or infinite.
    """
    h, w = opened.shape
    if start is not None and (start.shape != (h, w, 3) or start.dtype != np.uint8):
        raise Refused(f"start of shape {start.shape} and type {start.dtype} must be uint8 of {(h, w, 3)}")
    canvas = Canvas(h, w, ascent.basis, ascent.decorrelated, ascent.falloff)
    with gradients_on():
        numbers = _begun(opened, score, canvas, ascent, start, generator)
        first = _pixels(canvas.shown(numbers)) if start is None else start
        climbed, curve = _climbed(opened, score, canvas, ascent, numbers, generator)
        with torch.no_grad():
            light = canvas.light(climbed)
            others = [_pixels(scrambled(light, generator).sigmoid()) for _ in range(nulls)]
            pixels = _pixels(light.sigmoid())
        value, at_start, *noise = (
            float(scored(opened, score, opened.door(one[None]))) for one in (pixels, first, *others)
        )
    return Maximised(score, pixels, value, at_start, np.array(noise), np.array(curve))


def through_door(opened: OpenNetwork, images: Tensor) -> Tensor:
    """(n, 3, h, w) between 0 and 1 to what the network sees, as `opened.door` for uint8, differentiable."""
    assert opened.recipe.pixels is not None
    scale, shift = (one[:3].to(images).reshape(1, 3, 1, 1) for one in normalisation(opened.recipe.pixels))
    return 255 * images * scale + shift


def _climbed(
    opened: OpenNetwork, score: Score, canvas: Canvas, ascent: Ascent, numbers: Tensor, generator: torch.Generator
) -> tuple[Tensor, list[float]]:
    """The numbers at the end, and the score at each step."""
    leaf = numbers.detach().clone().requires_grad_()
    adam = torch.optim.Adam([leaf], lr=ascent.rate, maximize=True)
    curve: list[float] = []
    for step in range(ascent.steps):
        image = canvas.shown(leaf)[None]
        value = _valued(opened, score, _moved(image, ascent, generator))
        curve.append(value.item())
        if not math.isfinite(curve[-1]):
            raise Refused(f"score {score.name!r} is {curve[-1]} at step {step}: climb with a smaller rate")
        (leaf.grad,) = torch.autograd.grad(value - _cost(image, ascent), leaf)
        adam.step()
    return leaf.detach(), curve


def _begun(
    opened: OpenNetwork,
    score: Score,
    canvas: Canvas,
    ascent: Ascent,
    start: Pixels | None,
    generator: torch.Generator,
) -> Tensor:
    """Numbers whose image moves the score."""
    if start is not None:
        image = torch.from_numpy(start.copy()).to(opened.device).permute(2, 0, 1) / 255
        numbers = canvas.numbers_of(image)
        if not _moves(opened, score, canvas, numbers):
            raise Refused(f"score {score.name!r} has a gradient of 0 at this image: begin from noise or another image")
        return numbers
    for times in range(_TRIES):
        drawn = torch.randn(canvas.shape, generator=generator).to(opened.device)
        numbers = ascent.spread * 2.0**times * drawn
        if _moves(opened, score, canvas, numbers):
            return numbers
    raise Refused(f"score {score.name!r} has a gradient of 0 at {_TRIES} images of noise: begin from an image")


def _moves(opened: OpenNetwork, score: Score, canvas: Canvas, numbers: Tensor) -> bool:
    leaf = numbers.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(_valued(opened, score, canvas.shown(leaf)[None]), leaf)
    return bool(slope.any())


def _valued(opened: OpenNetwork, score: Score, images: Tensor) -> Tensor:
    """The score of one image between 0 and 1, with its graph."""
    values = one_a_row(score, score.through(opened)(through_door(opened, images)), images)
    refuse_unmoved(opened, score, values)
    return values.sum()


def _moved(images: Tensor, ascent: Ascent, generator: torch.Generator) -> Tensor:
    """Shifted, turned and resized at random; what comes in behind the border is its mirror image."""
    h, w = images.shape[2:]
    reach = round(ascent.jitter * min(h, w))
    if reach:
        down, across = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        images = images.roll((down, across), dims=(2, 3))
    if not (ascent.scaling or ascent.rotation):
        return images
    resize, turn = (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1).tolist()
    angle, size = math.radians(turn * ascent.rotation), 1 + resize * ascent.scaling
    along, aside = math.cos(angle) / size, math.sin(angle) / size
    matrix = torch.tensor([[[along, -aside * h / w, 0], [aside * w / h, along, 0]]]).to(images)
    where = affine_grid(matrix, list(images.shape), align_corners=False)
    moved: Tensor = grid_sample(images, where, padding_mode="reflection", align_corners=False)
    return moved


def _cost(images: Tensor, ascent: Ascent) -> Tensor:
    """What the regularisers take from the score."""
    rough = images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
    return ascent.total_variation * rough + ascent.l2 * (images - 0.5).square().mean()


def _pixels(image: Tensor) -> Pixels:
    """(3, h, w) between 0 and 1 to (h, w, 3) uint8."""
    found: Pixels = (255 * image.detach()).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return found
