"""`fit` against torchvision, byte for byte."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from boda.arrays import Pixels
from boda.pixels.resize import EXTREME, fit, is_extreme, resized_size
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage

FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
LENGTHS = st.integers(1, 160)
WANTED = st.integers(1, 96)
SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def transforms() -> Any:
    """torchvision's transforms."""
    pytest.importorskip("torch")
    pytest.importorskip("boda.torchvision_door").open_door()
    return pytest.importorskip("torchvision.transforms")


def noise(width: int, height: int) -> Image.Image:
    """The hardest picture for a resize: every pixel for itself."""
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_torchvision(transforms: Any, image: Image.Image, spec: PixelSpec) -> Pixels:
    """What torchvision's pipeline makes of it, as (h, w, 3)."""
    mode = transforms.InterpolationMode(spec.filter)
    steps = [] if spec.resize is None else [transforms.Resize(spec.resize, mode)]
    steps += [] if spec.crop is None else [transforms.CenterCrop(spec.crop)]
    steps.append(transforms.PILToTensor())
    return transforms.Compose(steps)(image).permute(1, 2, 0).numpy()


class TestEqualsTorchvision:
    """The same bytes, for any size of image, resize and crop."""

    @given(LENGTHS, LENGTHS, WANTED, WANTED, WANTED, st.sampled_from(FILTERS))
    @SETTINGS
    def test_short_side_and_crop(self, transforms: Any, w: int, h: int, side: int, ch: int, cw: int, name: Any) -> None:
        """Resize by the short side, then crop, or pad with black where the image is smaller."""
        spec = PixelSpec(resize=side, crop=(ch, cw), filter=name)
        if is_extreme((w, h), spec):
            return
        np.testing.assert_array_equal(fit(noise(w, h), spec), by_torchvision(transforms, noise(w, h), spec))

    @given(LENGTHS, LENGTHS, WANTED, WANTED, st.sampled_from(FILTERS))
    @SETTINGS
    def test_both_sides(self, transforms: Any, w: int, h: int, new_h: int, new_w: int, name: Any) -> None:
        """Resize to exactly (height, width)."""
        spec = PixelSpec(resize=(new_h, new_w), crop=None, filter=name)
        np.testing.assert_array_equal(fit(noise(w, h), spec), by_torchvision(transforms, noise(w, h), spec))

    @given(LENGTHS, LENGTHS, WANTED, WANTED)
    @SETTINGS
    def test_crop_alone(self, transforms: Any, w: int, h: int, ch: int, cw: int) -> None:
        """No resize."""
        spec = PixelSpec(resize=None, crop=(ch, cw))
        np.testing.assert_array_equal(fit(noise(w, h), spec), by_torchvision(transforms, noise(w, h), spec))

    @pytest.mark.parametrize(
        "size", [(500, 375), (375, 500), (333, 500), (640, 427), (256, 256), (225, 224), (17, 900)]
    )
    def test_the_usual_sizes(self, transforms: Any, size: tuple[int, int]) -> None:
        """Photographs at 256 and 224."""
        spec = PixelSpec(resize=256, crop=(224, 224))
        ours = fit(noise(*size), spec)
        np.testing.assert_array_equal(ours, by_torchvision(transforms, noise(*size), spec))
        assert ours.dtype == np.uint8
        assert ours.shape == (224, 224, 3)
        assert ours.flags.writeable
        assert ours.flags.c_contiguous


class TestExtremeShapes:
    """Row 24: cropped before resized."""

    @pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (3, 4000), (4000, 3)])
    @pytest.mark.parametrize("crop", [(24, 20), (40, 40), (24, 300)])
    def test_is_the_crop_of_the_whole_within_rounding(
        self, transforms: Any, size: tuple[int, int], crop: tuple[int, int]
    ) -> None:
        """Small enough here to make the whole as well."""
        spec = PixelSpec(resize=32, crop=crop)
        assert is_extreme(size, spec)
        mild = noise(*size).point([64 + level // 2 for level in range(256)] * 3)  # no filter overshoots 0..255
        ours = fit(mild, spec).astype(int)
        assert np.abs(ours - by_torchvision(transforms, mild, spec)).max() <= 1

    def test_the_whole_is_never_made(self) -> None:
        """256 x 2,560,000 pixels would take 2.6 GB; the crop takes none of that."""
        spec = PixelSpec(resize=256, crop=(224, 224))
        assert resized_size((1, 10_000), spec) == (256, 2_560_000)
        assert fit(noise(1, 10_000), spec).shape == (224, 224, 3)

    def test_begins_above_the_stated_ratio(self) -> None:
        """64 to 1 still goes torchvision's way."""
        spec = PixelSpec(resize=32, crop=(8, 8))
        assert not is_extreme((EXTREME, 1), spec)
        assert is_extreme((EXTREME + 1, 1), spec)
        assert not is_extreme((10_000, 1), PixelSpec(resize=(32, 32), crop=None))

    def test_without_crop_a_result_beyond_the_limit_is_refused(self) -> None:
        """Nobody can bound its memory."""
        with pytest.raises(BadImage, match="decode/too_many_pixels"):
            fit(noise(1, 10_000), PixelSpec(resize=256, crop=None))


def sampled(image: Pixels, new: tuple[int, int], name: str) -> Pixels:
    """Closed form of sampling without antialias, edges repeated."""
    h, w, _ = image.shape

    def axis(length: int, count: int) -> np.ndarray:
        at = (np.arange(count) + 0.5) * length / count - 0.5
        first, t = np.floor(at).astype(int), at - np.floor(at)
        weights = np.zeros((count, length))
        if name == "bilinear":
            taps = {0: 1 - t, 1: t}
        else:
            taps = {-1: -t + 2 * t**2 - t**3, 0: 1 - 2 * t**2 + t**3, 1: t + t**2 - t**3, 2: -(t**2) + t**3}
        for offset, weight in taps.items():
            np.add.at(weights, (np.arange(count), np.clip(first + offset, 0, length - 1)), weight)
        return weights

    both = np.einsum("yh,xw,hwc->yxc", axis(h, new[0]), axis(w, new[1]), image.astype(float))
    return np.clip(both, 0, 255)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(90, 70), (13, 20)])
def test_without_antialias_pixels_are_sampled(name: Any, size: tuple[int, int]) -> None:
    """Equal to the closed form within 1; far from the antialiased result on noise."""
    spec = PixelSpec(resize=(16, 24), crop=None, filter=name, antialias=False)
    ours = fit(noise(*size), spec).astype(float)
    assert np.abs(ours - sampled(np.asarray(noise(*size)), (16, 24), name)).max() <= 1.01
    if size == (90, 70):
        smooth = fit(noise(*size), PixelSpec(resize=(16, 24), crop=None, filter=name)).astype(float)
        assert np.abs(ours - smooth).mean() > 10


def test_without_antialias_nearest_is_nearest() -> None:
    """Nearest has no antialias in either case."""
    with_it = PixelSpec(resize=(16, 24), crop=None, filter="nearest")
    without = PixelSpec(resize=(16, 24), crop=None, filter="nearest", antialias=False)
    np.testing.assert_array_equal(fit(noise(90, 70), with_it), fit(noise(90, 70), without))
