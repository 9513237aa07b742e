"""Sets of image files to measure on, made from real photographs and alike on every machine.

The photographs are those that scikit-image and scikit-learn carry. Every file differs from every other in its bytes,
as equal files share one row in a workspace and would cost nothing. The same seed gives the same files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

PHOTO = (500, 375)
LARGE = (4000, 3000)
TINY = (32, 32)
_QUALITY = 90
_LARGE_PICTURES = 12
"""Different pictures in a set of large files; the rest are copies with other bytes after the JPEG's end mark."""


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A kind of file."""

    name: str
    what: str
    ending: str
    count: int
    """How many by default: enough that starting and ending weigh little."""
    scalable: bool
    """Whether decoding at reduced size can matter, so that `exact` is measured apart."""
    pictures: Callable[[int, np.random.Generator], Iterator[bytes]]
    """(count, rng) to as many files."""


def write_set(kind: ImageSet, count: int, folder: Path, *, seed: int) -> int:
    """Write `count` files into a new flat folder, named so that their order by name is the order they were made in.

    Returns:
        The bytes of all files.
    """
    folder.mkdir(parents=True)
    total = 0
    for i, data in enumerate(kind.pictures(count, np.random.default_rng(seed))):
        (folder / f"{i:07d}{kind.ending}").write_bytes(data)
        total += len(data)
    return total


def photographs() -> list[Image.Image]:
    """Six photographs of 300 to 512 pixels on their short side, RGB."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    arrays = (data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), *load_sample_images().images)
    return [Image.fromarray(array) for array in arrays]


def after_end_mark(jpeg: bytes, number: int) -> bytes:
    """The same picture as another file: eight bytes after the end mark, which decoders do not read."""
    return jpeg + number.to_bytes(8, "big")


def as_jpeg(image: Image.Image) -> bytes:
    """Encoded as cameras and web sites do: quality 90, colours at half resolution."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _window(image: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A random part of a photograph, of the shape of `size` and at least three quarters as large as fits."""
    fitting = min(image.width / size[0], image.height / size[1]) * rng.uniform(0.75, 1)
    width, height = size[0] * fitting, size[1] * fitting
    left, upper = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    part = image.resize(size, Image.Resampling.BICUBIC, (left, upper, left + width, upper + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else part


def _photos(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    bases = photographs()
    for i in range(count):
        yield after_end_mark(as_jpeg(_window(bases[i % len(bases)], PHOTO, rng)), i)


def _large(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    bases = photographs()
    kinds = min(count, _LARGE_PICTURES)
    pictures = [as_jpeg(_window(bases[i % len(bases)], LARGE, rng)) for i in range(kinds)]
    yield from (after_end_mark(pictures[i % kinds], i) for i in range(count))


def _detailed(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    kinds = min(count, _LARGE_PICTURES)
    pictures = [as_jpeg(_mosaic(rng)) for _ in range(kinds)]
    yield from (after_end_mark(pictures[i % kinds], i) for i in range(count))


def _mosaic(rng: np.random.Generator) -> Image.Image:
    """12 megapixels as detailed as a camera's: 8 x 8 photographs side by side."""
    bases, whole = photographs(), Image.new("RGB", LARGE)
    for upper in range(0, LARGE[1], PHOTO[1]):
        for left in range(0, LARGE[0], PHOTO[0]):
            whole.paste(_window(bases[rng.integers(len(bases))], PHOTO, rng), (left, upper))
    return whole


def _tiny(count: int, rng: np.random.Generator) -> Iterator[bytes]:
    bases = [np.asarray(image) for image in photographs()]
    for i in range(count):
        base = bases[i % len(bases)]
        y, x = rng.integers(base.shape[0] - TINY[1]), rng.integers(base.shape[1] - TINY[0])
        part = base[y : y + TINY[1], x : x + TINY[0]].copy()
        part[0, 0] = [i >> 16 & 255, i >> 8 & 255, i & 255]  # no two alike, also where a sky is one colour
        buffer = BytesIO()
        Image.fromarray(part).save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue()


SETS = {
    kind.name: kind
    for kind in (
        ImageSet("photo", "500 x 375 JPEG", ".jpg", 960, scalable=False, pictures=_photos),
        ImageSet("large", "4000 x 3000 JPEG, enlarged photographs", ".jpg", 192, scalable=True, pictures=_large),
        ImageSet("detailed", "4000 x 3000 JPEG, full of detail", ".jpg", 192, scalable=True, pictures=_detailed),
        ImageSet("tiny", "32 x 32 PNG", ".png", 60_000, scalable=False, pictures=_tiny),
    )
}
