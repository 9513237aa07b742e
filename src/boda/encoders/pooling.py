"""Pooling: from what a layer gives for one image, features at many places, to one vector.

    mean   the average over places
    gem    the generalised mean, (mean of x^p)^(1/p) with p = 3, of x no smaller than 1e-6: between average and
           maximum (Radenovic, Tolias and Chum, TPAMI 41(7), 2019, arXiv:1711.02512). Meant for what a ReLU gives;
           negative values count as 1e-6
    cls    the class token of a transformer
    none   nothing is pooled: the layer gives one vector an image

Tokens that stand for no place (class token, registers) have no part in `mean` and `gem`. All is computed in fp32.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from boda.errors import Refused

if TYPE_CHECKING:
    import torch

Pooling: TypeAlias = Literal["model", "mean", "cls", "gem", "none"]
"""`model`: as the model itself pools."""
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
GEM_POWER = 3.0
GEM_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Layout:
    """Which axes of an output are what."""

    kind: Literal["vector", "channels first", "channels last", "tokens"]
    prefix: int = 0
    """Tokens before those of places."""


def layout_of(shape: tuple[int, ...], image: tuple[int, int], prefix: int) -> tuple[Layout, ...]:
    """How an output may be read: once where that is clear, several times where it is not, () where nothing fits.

    Args:
        shape: of the output for one image, without the axis of images.
        image: (height, width) of the network's input; a map of places has its proportions.
        prefix: tokens that the network puts before those of places.
    """
    if len(shape) == 1:
        return (Layout("vector"),)
    if len(shape) == 2:
        counts = dict.fromkeys((0, prefix))
        return tuple(Layout("tokens", count) for count in counts if _is_grid(shape[0] - count, image))
    if len(shape) == 3:
        first = (Layout("channels first"),) if _is_map(shape[1], shape[2], image) else ()
        last = (Layout("channels last"),) if _is_map(shape[0], shape[1], image) else ()
        return first + last
    return ()


def pooled(output: "torch.Tensor", pooling: Pooling, layout: Layout) -> "torch.Tensor":
    """(n, ...) to (n, d) float32.

    Args:
        output: what a layer gave for n images.
        pooling: `none` for vectors, else `mean`, `gem`, or, for tokens with a class token first, `cls`.
        layout: of the output.
    """
    exact = output.float()
    if layout.kind == "vector":
        return exact
    if pooling == "cls":
        return exact[:, 0]
    places = _places(exact, layout)
    if pooling == "gem":
        return places.clamp(min=GEM_LEAST).pow(GEM_POWER).mean(dim=1).pow(1 / GEM_POWER)
    return places.mean(dim=1)


def grid(output: "torch.Tensor", layout: Layout, image: tuple[int, int]) -> "torch.Tensor":
    """(n, ...) to (n, y, x, d) float32: the features at each place, where they lie in the image.

    Args:
        output: what a layer gave for n images.
        layout: of the output; not that of vectors.
        image: (height, width) of the network's input.
    """
    places = _places(output.float(), layout)
    if layout.kind == "channels first":
        height = output.shape[2]
    elif layout.kind == "channels last":
        height = output.shape[1]
    else:
        count = places.shape[1]
        heights = (one for one in range(1, count + 1) if count % one == 0)
        height = min(heights, key=lambda one: abs(one * image[1] - count // one * image[0]))
    n, count, width = places.shape
    return places.reshape(n, height, count // height, width)


def as_pooling(word: str) -> Pooling:
    """The pooling of this name.

    Raises:
        Refused: there is none.
    """
    if word not in POOLINGS:
        raise Refused(f"no pooling {word!r}; one of {', '.join(POOLINGS)}")
    return word


def _places(output: "torch.Tensor", layout: Layout) -> "torch.Tensor":
    """(n, places, d)."""
    if layout.kind == "tokens":
        return output[:, layout.prefix :]
    if layout.kind == "channels first":
        output = output.permute(0, 2, 3, 1)
    return output.flatten(1, 2)


def _is_map(height: int, width: int, image: tuple[int, int]) -> bool:
    """Whether places of this height and width cover an image in its proportions; sides are rounded to whole places."""
    return 0 < height <= image[0] and abs(height * image[1] - width * image[0]) < max(image)


def _is_grid(count: int, image: tuple[int, int]) -> bool:
    return any(count % height == 0 and _is_map(height, count // height, image) for height in range(1, count + 1))
