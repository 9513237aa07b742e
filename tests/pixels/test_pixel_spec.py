"""PixelSpec: JSON round trip, equal specs, nonsense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pixels.spec import DECODE_RULES, PixelSpec
from boda.recipe import Recipe

SIDES = st.integers(1, 4000)
NUMBERS = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)
PAIRS = st.tuples(NUMBERS, POSITIVE).map(lambda pair: (pair[0], pair[0] + pair[1] + 1.0))
STRETCHES = st.builds("{}:{!r},{!r}".format, st.sampled_from(["linear", "asinh", "log"]), NUMBERS, st.just(2e6))
SPECS = st.builds(
    PixelSpec,
    resize=st.none() | SIDES | st.tuples(SIDES, SIDES),
    crop=st.none() | st.tuples(SIDES, SIDES),
    filter=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    antialias=st.booleans(),
    mean=st.tuples(NUMBERS, NUMBERS, NUMBERS),
    std=st.tuples(POSITIVE, POSITIVE, POSITIVE),
    decoder=st.sampled_from(["scaled", "exact"]),
    range=st.none() | PAIRS,
    stretch=st.none() | STRETCHES,
)


@given(SPECS)
def test_json_gives_the_spec_back(spec: PixelSpec) -> None:
    """A spec survives JSON text."""
    assert PixelSpec.from_json(json.loads(json.dumps(spec.as_json()))) == spec


def test_equal_specs_have_equal_json() -> None:
    """Whole numbers, lists and spellings of a stretch do not make another recipe."""
    one = PixelSpec(resize=8, crop=(8, 8), mean=(0, 0, -0.0), range=(0, 4095), stretch="log:0,1e3")
    other = PixelSpec(resize=8, crop=[8, 8], mean=[0.0, 0.0, 0.0], range=(-0.0, 4095.0), stretch="log: 0.0, 1000")  # type: ignore[arg-type]
    assert one == other
    assert json.dumps(one.as_json()) == json.dumps(other.as_json())
    assert hash(one) == hash(other)


def test_rules_of_another_version_are_kept() -> None:
    """A recipe made with other decoding rules keeps its id."""
    spec = PixelSpec(resize=8, crop=(8, 8), rules=DECODE_RULES + 1)
    recipe = Recipe("timm:x", "ab", "pooled", "model", spec)
    assert spec.as_json()["rules"] == DECODE_RULES + 1
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))).id == recipe.id


@pytest.mark.parametrize(
    "nonsense",
    [
        {"resize": 0},
        {"resize": -5},
        {"resize": True},
        {"resize": 2.5},
        {"resize": "8"},
        {"resize": (8,)},
        {"resize": (8, 0)},
        {"resize": 100_000},
        {"crop": (8, -1)},
        {"crop": 8},
        {"crop": (8, 8, 8)},
        {"filter": "sharp"},
        {"decoder": "fast"},
        {"antialias": 1},
        {"antialias": False, "filter": "lanczos"},
        {"mean": (0.0, 0.0)},
        {"mean": (0.0, 0.0, float("nan"))},
        {"std": (1.0, 0.0, 1.0)},
        {"std": None},
        {"range": (5, 5)},
        {"range": (9, 1)},
        {"range": (0, float("inf"))},
        {"stretch": "linear"},
        {"stretch": "linear:1"},
        {"stretch": "linear:2,1"},
        {"stretch": "cubic:0,1"},
        {"stretch": "log:0,inf"},
        {"stretch": "log:nan,1"},
        {"rules": "1"},
    ],
    ids=str,
)
def test_nonsense_is_refused(nonsense: dict[str, Any]) -> None:
    """One line says which value, before any image is read."""
    with pytest.raises(Refused) as caught:
        PixelSpec(**{"resize": 8, "crop": (8, 8), **nonsense})
    assert "\n" not in str(caught.value)


def test_json_with_unknown_or_missing_fields_is_refused() -> None:
    """What a newer boda wrote is not read as something else."""
    record = PixelSpec(resize=8, crop=None).as_json()
    with pytest.raises(Refused, match="sharpen"):
        PixelSpec.from_json({**record, "sharpen": 1})
    with pytest.raises(Refused, match="crop"):
        PixelSpec.from_json({"resize": 8})


def test_shape_is_of_the_crop_else_of_the_resize() -> None:
    """The size of the result is known where the spec fixes it, and refused where it does not."""
    assert PixelSpec(resize=9, crop=(7, 8)).shape == (7, 8)
    assert PixelSpec(resize=(5, 6), crop=None).shape == (5, 6)
    with pytest.raises(Refused, match="crop"):
        _ = PixelSpec(resize=9, crop=None).shape
