"""Encoders of your own, by module:function."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.encoders.your_own import _tokens
from boda.errors import Refused, UnknownEncoder

NET = '''
"""A small network."""
import torch
import boda

def make():
    torch.manual_seed(0)
    net = torch.nn.Sequential(  # a comment
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(), torch.nn.Flatten(),
    )
    net.pixels = boda.PixelSpec(resize=8, crop=(8, 8), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return net

def unpooled():
    net = make()
    del net[3]
    net.pixels = boda.PixelSpec(resize=8, crop=(8, 8))
    return net

def bare():
    return torch.nn.Flatten()

def nothing():
    return None

def honest():
    return boda.load_encoder("handmade:hog-colour")

def exacting():
    net = make()
    net.pixels = boda.PixelSpec(resize=8, crop=(8, 8), decoder="exact", range=(0, 4095), stretch="asinh:0,10")
    return net

def exacting_encoder():
    return boda.load_encoder("handmade:hog-colour", decode="exact", range=(0, 4095))

class Without:
    def __init__(self, lacking):
        whole = boda.load_encoder("handmade:hog-colour")
        for name in {"recipe", "width", "device", "at"} - {lacking}:
            setattr(self, name, getattr(whole, name))

    def __call__(self, pixels):
        return pixels

def without_device():
    return Without("device")

def without_at():
    return Without("at")

near_make = 3
'''
numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module into the current folder and gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    written = []

    def write(text: str = NET) -> str:
        name = f"boda_test_module_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def test_a_torch_module_becomes_an_encoder(module):
    """In eval mode, normalised by its own mean and std, with a recipe that counts weights and code."""
    name = module()
    encoder = boda.load_encoder(f"{name}:make")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    features = encoder(pixels)
    assert features.shape == (3, encoder.width) == (3, 144)
    np.testing.assert_array_equal(encoder(pixels), features)

    import torch

    net = sys.modules[name].make().eval()
    with torch.no_grad():
        batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        np.testing.assert_allclose(features, net(batch).numpy(), rtol=1e-4, atol=1e-5)
    assert encoder.recipe.architecture == encoder.recipe.name == f"{name}:make"
    assert len(encoder.recipe.weights) == len(encoder.recipe.arguments["code"]) == 64


def test_comments_do_not_change_the_recipe_and_code_does(module):
    """What the file says counts, not how it looks."""
    codes = [
        boda.load_encoder(f"{module(text)}:make").recipe.arguments["code"]
        for text in (
            NET,
            NET.replace("# a comment", "# another\n").replace("    ", "        ").replace("boda\n", "boda\n\n\n", 1),
            NET.replace("Dropout()", "ReLU()"),
            NET.replace("    torch.manual_seed(0)\n", "    if 1:\n        torch.manual_seed(0)\n"),
        )
    ]
    assert codes[0] == codes[1]
    assert len(set(codes)) == 3


def test_the_digest_of_code_is_the_same_in_every_python():
    """Words are told apart, and a formatted string is one word: pinned, as other versions must say the same."""
    source = 'def f(x):\n    """Doc."""  # why\n\n    return f"{x!r:>{3}} {f\'{x}\'}" f"""a\n{x}"""\n'
    assert list(_tokens(source)) == [
        *("def", "f", "(", "x", ")", ":", "NEWLINE", "INDENT", '"""Doc."""', "NEWLINE", "return"),
        *("f\"{x!r:>{3}} {f'{x}'}\"", 'f"""a\n{x}"""', "NEWLINE", "DEDENT", "ENDMARKER"),
    ]


def test_only_what_was_asked_for_replaces_its_own_pixels(module):
    """Decoder, range and stretch that a module brings stay, unless others are asked for."""
    name = module()
    own = boda.load_encoder(f"{name}:exacting").recipe.pixels
    assert (own.decoder, own.range, own.stretch) == ("exact", (0, 4095), "asinh:0.0,10.0")
    asked = boda.load_encoder(f"{name}:exacting", decode="scaled", stretch="log:1,10").recipe.pixels
    assert (asked.decoder, asked.range, asked.stretch) == ("scaled", (0, 4095), "log:1.0,10.0")
    assert boda.load_encoder(f"{name}:make").recipe.pixels.decoder == "scaled"


def test_an_encoder_is_used_as_it_is(module):
    """Its own recipe counts; weights and another decoder cannot be put into it from outside."""
    name = module()
    encoder = boda.load_encoder(f"{name}:honest")
    assert encoder.recipe.name == "handmade:hog-colour"
    with pytest.raises(Refused, match="leave out --weights"):
        boda.load_encoder(f"{name}:honest", weights="x.pt")
    with pytest.raises(Refused, match="leave out --decode"):
        boda.load_encoder(f"{name}:honest", decode="exact")
    with pytest.raises(Refused, match="runs on cpu: leave out --device cuda"):
        boda.load_encoder(f"{name}:honest", device="cuda")
    boda.load_encoder(f"{name}:exacting_encoder", decode="exact", range=(0, 4095), device="cpu")
    with pytest.raises(Refused, match="leave out --range"):
        boda.load_encoder(f"{name}:exacting_encoder", range=(0, 255))
    with pytest.raises(Refused, match="leave out --decode"):
        boda.load_encoder(f"{name}:exacting_encoder", decode="scaled")


def test_weights_go_into_a_torch_module(module, tmp_path: Path):
    """A file in place of what the function made; another recipe, then."""
    import torch

    name = module()
    plain = boda.load_encoder(f"{name}:make")
    state = {n: t + 1 for n, t in sys.modules[name].make().state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    other = boda.load_encoder(f"{name}:make", weights=tmp_path / "w.pt")
    assert other.recipe.weights != plain.recipe.weights


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("unpooled", "add pooling"),
        ("bare", "without `pixels`"),
        ("nothing", "returned NoneType"),
        ("without_device", "no proper device"),
        ("without_at", "no proper at"),
    ],
)
def test_what_is_no_encoder_is_refused(module, function: str, told: str):
    """With what it lacks, in one line."""
    with pytest.raises(Refused, match=told) as refusal:
        boda.load_encoder(f"{module()}:{function}")
    assert "\n" not in str(refusal.value)


def test_unknown_functions_get_near_ones(module):
    """Also where the name is there but is no function."""
    name = module()
    with pytest.raises(UnknownEncoder, match=f"{name}:make"):
        boda.load_encoder(f"{name}:maker")
    with pytest.raises(UnknownEncoder):
        boda.load_encoder(f"{name}:near_make")


def test_a_module_that_does_not_import_says_why(module):
    """The missing import is named, not hidden behind 'unknown encoder'."""
    with pytest.raises(Refused, match="no_such_library"):
        boda.load_encoder(f"{module('import no_such_library')}:make")
