"""bf16 is taken only where it is fast and every image agrees."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.encoders import precision
from boda.encoders.precision import GATE, bf16_is_fast, choose_precision, cosines
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

PIXELS = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
RECIPE = Recipe("mine", "", "pooled", "none", PixelSpec(resize=8, crop=(8, 8)))


class Turning:
    """Its bf16 features are its fp32 ones, one of them turned by an angle of the given cosine."""

    device, width = "cpu", 2

    def __init__(self, cosine: float, recipe: Recipe = RECIPE, *, refuses: bool = False) -> None:
        self.cosine, self.recipe, self.refuses = cosine, recipe, refuses

    def __call__(self, pixels):
        features = np.tile(np.array([1, 0], np.float32), (len(pixels), 1))
        if self.recipe.precision == "bf16":
            features[-1] = self.cosine, np.sqrt(1 - self.cosine**2)
        return features

    def at(self, wanted):
        if wanted == "bf16" and self.refuses:
            raise Refused("fp32 only")
        return Turning(self.cosine, replace(self.recipe, precision=wanted), refuses=self.refuses)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(precision, "bf16_is_fast", lambda device: True)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(
    ("cosine", "chosen"), [(1.0, "bf16"), (GATE + 1e-5, "bf16"), (GATE - 1e-5, "fp32"), (np.nan, "fp32")]
)
def test_one_image_below_the_gate_is_enough_for_fp32(cosine: float, chosen: str):
    """Every image of the first batch must reach a cosine of 0.9995."""
    assert choose_precision(Turning(cosine), PIXELS).recipe.precision == chosen


@pytest.mark.usefixtures("fast")
def test_without_images_or_without_bf16_it_is_fp32():
    """Nothing shown, nothing taken."""
    assert choose_precision(Turning(1.0), PIXELS[:0]).recipe.precision == "fp32"
    assert choose_precision(Turning(1.0, refuses=True), PIXELS).recipe.precision == "fp32"


def test_where_bf16_is_slow_it_is_fp32(monkeypatch):
    """Agreement alone is no reason."""
    monkeypatch.setattr(precision, "bf16_is_fast", lambda device: False)
    assert choose_precision(Turning(1.0), PIXELS).recipe.precision == "fp32"


def test_the_gate_is_what_was_promised():
    """A public number: it is in the documentation and in people's workspaces."""
    assert GATE == 0.9995


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_cosines_do_not_depend_on_length(seed: int, factor: float):
    """Against the closed form, at any scale; with itself 1, with its negative -1."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 7)).astype(np.float32)
    expected = (
        (a * b).sum(1, dtype=np.float64)
        / np.linalg.norm(a.astype(float), axis=1)
        / np.linalg.norm(b.astype(float), axis=1)
    )
    np.testing.assert_allclose(cosines(a, np.float32(factor) * b), expected, atol=1e-6)
    np.testing.assert_allclose(cosines(a, a), 1, atol=1e-12)
    np.testing.assert_allclose(cosines(a, -a), -1, atol=1e-12)


def test_rows_of_zeros_and_of_nan():
    """Zero agrees with zero only; NaN agrees with nothing."""
    a = np.array([[0, 0], [0, 0], [np.nan, 1]], np.float32)
    b = np.array([[0, 0], [1, 0], [1, 1]], np.float32)
    found = cosines(a, b)
    assert found[0] == 1
    assert found[1] == 0
    assert np.isnan(found[2])


def test_the_kernel_agrees_about_this_cpu():
    """The answer is that of /proc/cpuinfo, where there is one."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        pytest.skip("no /proc/cpuinfo here")
    flags = info.read_text().split()
    assert bf16_is_fast("cpu") == ("avx512_bf16" in flags or "amx_bf16" in flags)
    assert not bf16_is_fast("mps")
