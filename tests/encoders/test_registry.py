"""Encoders by name."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.encoders import registry
from boda.encoders.registry import encoder_for, encoder_names, load_encoder
from boda.encoders.torch_encoder import ADAPTER
from boda.errors import NotFound, Refused, UnknownEncoder


def test_the_registry_is_lazy():
    """Importing it and asking for names loads no library; nor does the handmade encoder until it computes."""
    code = (
        "import sys; from boda.encoders.registry import encoder_names, load_encoder; encoder_names(); "
        "load_encoder('handmade:hog-colour'); "
        "print([m for m in ('torch', 'timm', 'skimage', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet18", "timm:resnet18"),
        ("timm:resnet_18", "timm:resnet18"),
        ("timm:resnet18.nope", "timm:resnet18"),
        ("autos", "auto"),
        ("handmade:hog", "handmade:hog-colour"),
        ("handmade", "handmade:hog-colour"),
        ("tim:resnet18", "timm:resnet18"),
        ("auto:x", ""),
        ("timm:", ""),
        ("", ""),
        ("no_such_module_anywhere:make", ""),
    ],
)
def test_unknown_names_get_near_ones(name: str, near: str):
    """One line, with what may have been meant."""
    with pytest.raises(UnknownEncoder) as unknown:
        load_encoder(name)
    assert near in " ".join(unknown.value.near)
    assert "\n" not in str(unknown.value)
    assert "boda encoders" in str(unknown.value)


def test_every_listed_name_loads():
    """`encoder_names` promises nothing that is not here."""
    assert encoder_names() == ["auto", "handmade:hog-colour"]
    for name in encoder_names():
        assert load_encoder(name).recipe.name == name


def test_every_family_is_there():
    """Every lazy name leads to a function."""
    import importlib

    for place in registry.FAMILIES.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_torch_encoders_count_the_code_around_the_network():
    """Features of another version of our normalising and pooling never pass for these."""
    recipe = load_encoder("auto").recipe
    assert recipe.arguments == {"adapter": ADAPTER}
    assert replace(recipe, arguments={"adapter": ADAPTER + 1}).id != recipe.id


def test_decode_is_part_of_the_recipe():
    """`exact` and `scaled` decode other pixels, so they are other recipes; the width is the same."""
    scaled, exact = (load_encoder("handmade:hog-colour", decode=decode) for decode in ("scaled", "exact"))
    assert scaled.recipe.id != exact.recipe.id
    assert exact.recipe == replace(scaled.recipe, pixels=replace(scaled.recipe.pixels, decoder="exact"))


def test_what_makes_no_sense_is_refused(tmp_path: Path):
    """Weights for what has none, bf16 for what has only fp32, a device that is not here, a file that is not there."""
    with pytest.raises(Refused, match="no weights"):
        load_encoder("handmade:hog-colour", weights=tmp_path / "x.pt")
    with pytest.raises(Refused, match="fp32 only"):
        load_encoder("handmade:hog-colour", precision="bf16")
    with pytest.raises(Refused, match="cannot be used here"):
        load_encoder("auto", device="nonsense")
    with pytest.raises(NotFound, match="no such file"):
        load_encoder("auto", weights=tmp_path / "x.pt")


def test_a_recipe_finds_its_encoder_again(resnet_file: Path):
    """At the precision, decoder and weights of the recipe, bit for bit."""
    made = load_encoder("timm:test_resnet", weights=resnet_file, decode="exact", precision="bf16")
    again = encoder_for(made.recipe, weights=resnet_file)
    pixels = np.random.default_rng(0).integers(0, 256, (2, *made.recipe.pixels.shape, 3), dtype=np.uint8)
    assert again.recipe == made.recipe
    np.testing.assert_array_equal(again(pixels), made(pixels))


def test_other_weights_are_no_stand_in(resnet_file: Path):
    """The same architecture with other weights gives other numbers, and is refused."""
    recipe = load_encoder("timm:test_resnet", weights=resnet_file).recipe
    with pytest.raises(Refused, match=f"weights '{'0' * 64}' there, '{recipe.weights}' here"):
        encoder_for(replace(recipe, weights="0" * 64), weights=resnet_file)


def test_a_recipe_never_runs_code():
    """A workspace may be a stranger's: a recipe that names a module is not imported."""
    for name in ("antigravity:geohash", "auto:geohash"):
        recipe = replace(load_encoder("handmade:hog-colour").recipe, name=name)
        with pytest.raises(Refused, match=f"which is code: if you trust it, say --encoder {name}"):
            encoder_for(recipe)
    assert "antigravity" not in sys.modules


def test_an_encoder_that_is_named_or_given_must_have_the_recipe():
    """Where the user says what made the features, that is loaded as the recipe wants it, and compared."""
    exact = load_encoder("handmade:hog-colour", decode="exact")
    unnamed = replace(exact.recipe, name="my_module:make")
    assert encoder_for(unnamed, "handmade:hog-colour").recipe == exact.recipe
    assert encoder_for(unnamed, exact) is exact
    with pytest.raises(Refused, match=r"pixels .* there, .* here"):
        encoder_for(unnamed, load_encoder("handmade:hog-colour"))


def test_nobody_computes_an_unknown_recipe():
    """Features that were imported without a recipe stay what they are."""
    with pytest.raises(Refused, match="nobody knows"):
        encoder_for(boda.Recipe("unknown", "", "", "", None))
