"""What an encoder finds at each place: the map of which `mean` is the mean, laid out as the image is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.errors import Refused

SIDE = 64
PIXELS = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def load(random_file: Callable[..., Path]):
    """An encoder with random weights for images of 64 x 64."""

    def load(name: str, **options):
        file = random_file(name, **({"img_size": SIDE} if name == "test_vit" else {}))
        return boda.load_encoder(f"timm:{name}", weights=file, pixels=f"size={SIDE}", **options)

    return load


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("resnet18", {}, (2, 2)),
        ("resnet18", {"layer": "layer2"}, (8, 8)),
        ("test_vit", {"layer": "last", "pooling": "mean"}, (4, 4)),
        ("swin_tiny_patch4_window7_224", {"layer": "last"}, (2, 2)),
    ],
)
def test_features_pooled_by_mean_are_the_mean_over_places(name, options, shape, random_file):
    """Of maps with channels first and last, and of tokens without those that stand for no place."""
    size = {} if name == "resnet18" else {"img_size": SIDE}
    encoder = boda.load_encoder(f"timm:{name}", weights=random_file(name, **size), pixels=f"size={SIDE}", **options)
    places = encoder.places(PIXELS)
    assert places.shape == (2, *shape, encoder.width)
    np.testing.assert_allclose(places.mean(axis=(1, 2)), encoder(PIXELS), atol=1e-4 * np.abs(places).max())


@pytest.mark.parametrize(("name", "options"), [("resnet18", {}), ("test_vit", {"layer": "last", "pooling": "mean"})])
def test_a_place_is_where_it_lies_in_the_image(name, options, load):
    """Another corner of the image changes the corner of the map most: rows are rows and columns columns."""
    encoder = load(name, **options)
    before = encoder.places(PIXELS[:1])[0]
    for y, x in ((0, -1), (-1, 0)):
        other = PIXELS[:1].copy()
        other[0, y * 16 : (y * 16 + 16) or None, x * 16 : (x * 16 + 16) or None] = 255
        moved = np.linalg.norm(encoder.places(other)[0] - before, axis=-1)
        assert np.unravel_index(moved.argmax(), moved.shape) == (y % moved.shape[0], x % moved.shape[1])


def test_vectors_have_no_places(load):
    """A layer that gives one vector an image is refused, and pixels of another shape are."""
    with pytest.raises(Refused, match="no places"):
        load("resnet18", layer="global_pool").places(PIXELS)
    with pytest.raises(Refused, match="needs pixels"):
        load("resnet18").places(PIXELS[:, :32])


@pytest.mark.parametrize(
    ("name", "arguments", "side"),
    [
        ("test_vit", {"reg_tokens": 4}, 64),
        ("test_vit", {"reg_tokens": 4, "no_embed_class": True}, 64),
        ("test_vit", {"reg_tokens": 4}, 32),
        ("test_vit2", {}, 64),
    ],
)
def test_a_marked_patch_is_at_its_place_behind_registers(name, arguments, side, random_file):
    """As timm lays tokens out; also where class token, registers and 2 x 2 patches are nine tokens, as 3 x 3 would be.

    The network of `test_vit2` has a register and no class token.
    """
    file = random_file(name, img_size=side, **arguments)
    query = "&".join(f"{key}={str(value).lower()}" for key, value in arguments.items())
    loaded = boda.load_encoder(f"timm:{name}?{query}" if query else f"timm:{name}", weights=file, pixels=f"size={side}")
    encoder = loaded.take("blocks.3", "mean")
    pixels = PIXELS[:1, :side, :side]
    before = encoder.places(pixels)[0]
    assert before.shape[:2] == (side // 16, side // 16)

    import timm
    import torch
    from safetensors.torch import load_file

    model = timm.create_model(name, img_size=side, **arguments)
    model.load_state_dict(load_file(file))
    spec = encoder.recipe.pixels
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        theirs = model.eval().forward_intermediates(batch, indices=[3], intermediates_only=True)[0]
    np.testing.assert_allclose(before, theirs[0].permute(1, 2, 0), atol=1e-4 * np.abs(before).max())
    for y, x in np.ndindex(*before.shape[:2]):
        marked = pixels.copy()
        marked[0, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] ^= 255
        moved = np.linalg.norm(encoder.places(marked)[0] - before, axis=-1)
        assert np.unravel_index(moved.argmax(), moved.shape) == (y, x)
