"""Pooling: against the formulas, for every way an output may lie in memory."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.encoders.pooling import Layout, as_pooling, layout_of, pooled
from boda.errors import Refused

FIRST, LAST = Layout("channels first"), Layout("channels last")


def some(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pooling", ["mean", "gem"])
def test_the_same_map_pools_to_the_same_however_it_is_laid_out(pooling):
    """Channels first, channels last, and tokens behind two that stand for no place."""
    map_ = some((2, 5, 3, 4))
    tokens = torch.cat([some((2, 2, 5)), map_.flatten(2).transpose(1, 2)], dim=1)
    expected = pooled(map_, pooling, FIRST)
    assert expected.shape == (2, 5)
    torch.testing.assert_close(pooled(map_.permute(0, 2, 3, 1), pooling, LAST), expected)
    torch.testing.assert_close(pooled(tokens, pooling, Layout("tokens", 2)), expected)


def test_mean_cls_and_gem_are_what_they_are_called():
    """Against NumPy; gem as in Radenovic et al., with negative values counted as 1e-6."""
    tokens = some((3, 10, 4))
    plain = tokens.double().numpy()
    layout = Layout("tokens", 1)
    np.testing.assert_allclose(pooled(tokens, "mean", layout), plain[:, 1:].mean(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(pooled(tokens, "cls", layout), tokens[:, 0])
    expected = np.cbrt((np.maximum(plain[:, 1:], 1e-6) ** 3).mean(axis=1))
    np.testing.assert_allclose(pooled(tokens, "gem", layout), expected, rtol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 1000))
def test_gem_lies_between_mean_and_maximum(seed: int, factor: float):
    """Of features that are not negative; and it grows with them."""
    map_ = some((2, 3, 4, 4), seed).abs() + 0.01
    gem = pooled(map_, "gem", FIRST)
    assert bool((gem >= pooled(map_, "mean", FIRST) * (1 - 1e-5)).all())
    assert bool((gem <= map_.amax(dim=(2, 3)) * (1 + 1e-5)).all())
    torch.testing.assert_close(pooled(map_ * factor, "gem", FIRST), gem * factor, rtol=1e-4, atol=1e-6)


def test_pooling_is_computed_in_fp32():
    """A sum of many bf16 numbers would stop growing."""
    ones = torch.ones(1, 2, 64, 64, dtype=torch.bfloat16) * 1.0078125
    for pooling in ("mean", "gem"):
        answer = pooled(ones, pooling, FIRST)
        assert answer.dtype == torch.float32
        torch.testing.assert_close(answer, torch.full((1, 2), 1.0078125), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("shape", "image", "prefix", "kinds"),
    [
        ((512,), (224, 224), 0, ["vector"]),
        ((64, 56, 56), (224, 224), 0, ["channels first"]),
        ((56, 56, 96), (224, 224), 0, ["channels last"]),
        ((40, 40, 40), (160, 160), 0, ["channels first", "channels last"]),
        ((64, 6, 8), (192, 256), 0, ["channels first"]),
        ((6, 8, 64), (192, 256), 0, ["channels last"]),
        ((7, 7, 8), (224, 224), 0, ["channels last"]),
        ((512, 1, 1), (224, 224), 0, ["channels first"]),
        ((1, 1, 512), (224, 224), 0, ["channels last"]),
        ((197, 192), (224, 224), 1, ["tokens 1"]),
        ((196, 192), (224, 224), 1, ["tokens 0"]),
        ((201, 192), (224, 224), 5, ["tokens 5"]),
        ((197, 192), (224, 224), 0, []),
        ((9, 192), (28, 28), 5, ["tokens 0", "tokens 5"]),
        ((3, 197, 64), (224, 224), 1, []),
        ((3, 7, 9), (224, 224), 0, []),
        ((2, 3, 4, 4), (224, 224), 0, []),
    ],
)  # fmt: skip
def test_an_output_is_read_by_its_shape(shape, image, prefix: int, kinds: list[str]):
    """Once where it is clear, twice where it is not, never where nothing fits the image's proportions."""
    found = layout_of(shape, image, prefix)
    assert [f"tokens {one.prefix}" if one.kind == "tokens" else one.kind for one in found] == kinds


def test_unknown_poolings_are_refused():
    """With those there are."""
    with pytest.raises(Refused, match="no pooling 'max'; one of model, mean, cls, gem, none"):
        as_pooling("max")
