"""Pixel settings as they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pixels.settings import KNOWN, changed, resized
from boda.pixels.spec import PixelSpec

OWN = PixelSpec(resize=256, crop=(224, 224), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ("size=112", {"resize": 128, "crop": (112, 112)}),
        ("size=192x256", {"resize": 293, "crop": (192, 256)}),
        ("resize=300", {"resize": 300}),
        ("resize=300x200", {"resize": (300, 200)}),
        ("crop=100", {"crop": (100, 100)}),
        ("crop=100x50, size=112", {"resize": 128, "crop": (100, 50)}),
        ("mean=0.5,std=0.25", {"mean": (0.5,) * 3, "std": (0.25,) * 3}),
        ("mean=0.485/0.456/0.406", {"mean": (0.485, 0.456, 0.406)}),
        ("filter=bilinear,antialias=false", {"filter": "bilinear", "antialias": False}),
    ],
)
def test_settings_take_the_place_of_the_encoders_own(settings: str, fields: dict):
    """What is named changes, all else stays; `size` keeps the share of what is resized before the crop."""
    assert changed(OWN, settings).as_json() == PixelSpec.from_json(OWN.as_json() | fields).as_json()


@pytest.mark.parametrize(
    "settings",
    ["", "siez=224", "size", "size=", "size=x", "size=0", "size=224,size=224", "mean=1/2", "mean=a", "std=0", "filter=no",
     "antialias=yes", "antialias=false,filter=lanczos", "rules=2", "size=1e3", "mean=nan"],
)  # fmt: skip
def test_unknown_settings_and_nonsense_are_refused(settings: str):
    """In one line; an unknown setting with those there are."""
    with pytest.raises(Refused) as refusal:
        changed(OWN, settings)
    assert "\n" not in str(refusal.value)
    if settings.startswith(("siez", "rules")):
        assert ", ".join(KNOWN) in str(refusal.value)


@given(st.integers(16, 600), st.integers(16, 600), st.integers(1, 600), st.integers(1, 600))
def test_a_new_size_is_never_padded(own: int, short: int, height: int, width: int):
    """The short side that is asked for covers the crop, and the size that is there already changes nothing."""
    spec = PixelSpec(resize=max(own, short), crop=(min(own, short),) * 2)
    new = resized(spec, (height, width))
    assert new.shape == (height, width)
    assert isinstance(new.resize, int)
    assert new.resize >= max(height, width)
    assert resized(spec, spec.shape) is spec


def test_sizes_of_specs_that_squash_or_do_not_crop():
    """Both sides keep their share; without a crop the size is what is resized to; without either it is the crop."""
    assert resized(PixelSpec(resize=(240, 120), crop=(200, 100)), (100, 100)).resize == (120, 120)
    assert resized(PixelSpec(resize=(200, 100), crop=None), (50, 50)) == PixelSpec(resize=(50, 50), crop=None)
    assert resized(PixelSpec(resize=None, crop=(8, 8)), (4, 4)) == PixelSpec(resize=None, crop=(4, 4))
