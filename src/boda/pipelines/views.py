"""How a classifier looks at an image: once, at ten crops of it, or at several scales.

The paper of ResNet (arXiv:1512.03385, section 3.4) tests with ten crops, and for its best figures at the scales 224,
256, 384, 480 and 640, fully convolutionally. Probabilities are averaged over crops and over scales.

For more than one look an image is read again here and prepared in this process: its size differs from image to image,
so it has no place in the memory that decoder processes share. Only those come so far that a decoder process has
prepared already.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.classifier import Classifier, as_dense
from boda.errors import Refused
from boda.pipelines.decoded import Page
from boda.pixels.crops import ten_crops
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.sources.base import Source
from boda.unreadable import BadImage, Unreadable

CROPS = (1, 10)
LONGEST = 4
"""Of images longer than this many times their short side, several scales see the middle."""

Said: TypeAlias = Features | Unreadable
"""(k,) probabilities, or why there are none."""
Look: TypeAlias = Callable[[Source, Page], dict[int, Said]]
"""What a classifier says of the rows of a page that have no verdict."""


def look_with(classifier: Classifier, *, crops: int = 1, scales: Sequence[int] | None = None) -> Look:
    """The way to look that was asked for.

    Args:
        classifier: looks.
        crops: 1, the centre; or 10, corners and centre with their mirror images.
        scales: short sides, in pixels; None: the encoder's own.

    Raises:
        Refused: both at once, another number of crops, scales that are none, or the classifier cannot look so.
    """
    spec = classifier.recipe.pixels
    assert spec is not None
    if crops not in CROPS:
        raise Refused(f"crops={crops} must be 1, the centre, or 10, corners and centre with their mirror images")
    if scales is not None:
        if crops != 1:
            raise Refused("several crops and several scales at once are not to be had: choose one")
        return _again(_at_scales(classifier, spec, scales))
    return _once(classifier) if crops == 1 else _again(_of_ten(classifier, spec))


def _once(classifier: Classifier) -> Look:
    def look(source: Source, page: Page) -> dict[int, Said]:
        good = _good(page)
        return dict(zip(good, classifier.classify(page.pixels[good]), strict=True))

    return look


def _again(see: Callable[[bytes], Features]) -> Look:
    def look(source: Source, page: Page) -> dict[int, Said]:
        said: dict[int, Said] = {}
        for row in _good(page):
            try:
                said[row] = see(source.read(page.refs[row]).data)
            except BadImage as bad:
                said[row] = bad.unreadable
        return said

    return look


def _of_ten(classifier: Classifier, spec: PixelSpec) -> Callable[[bytes], Features]:
    crop = spec.crop
    sides = spec.resize if isinstance(spec.resize, tuple) else (spec.resize or 0,) * 2
    if crop is None or sides[0] < crop[0] or sides[1] < crop[1]:
        raise Refused(
            f"encoder {classifier.recipe.name!r} does not resize images to more than it crops of them, so there are no "
            "ten crops: give one, or other pixels, such as --pixels resize=256,crop=224"
        )
    whole = replace(spec, crop=None)

    def see(data: bytes) -> Features:
        image, _ = prepare(data, whole)
        return _mean(classifier.classify(ten_crops(image, crop)))

    return see


def _at_scales(classifier: Classifier, spec: PixelSpec, scales: Sequence[int]) -> Callable[[bytes], Features]:
    if not scales:
        raise Refused("no scales: give short sides in pixels, such as 224,256,384,480,640")
    dense = as_dense(classifier)
    specs = [replace(spec, resize=scale, crop=None) for scale in scales]

    def see(data: bytes) -> Features:
        images = [_middle(prepare(data, one)[0]) for one in specs]
        return _mean(np.concatenate([dense.classify_dense(image[None]) for image in images]))

    return see


def _middle(image: Pixels) -> Pixels:
    """An image no longer than `LONGEST` times its short side: of a longer one the middle."""
    h, w = image.shape[:2]
    most = LONGEST * min(h, w)
    top, left = max(h - most, 0) // 2, max(w - most, 0) // 2
    return image[top : top + most, left : left + most]


def _good(page: Page) -> list[int]:
    return [row for row, verdict in enumerate(page.verdicts) if verdict is None]


def _mean(shares: Features) -> Features:
    mean: Features = shares.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
