"""A recipe's id changes exactly when the meaning of the numbers changes."""

import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

BASE = Recipe(
    "timm:resnet18", "ab" * 32, "pooled", "model", PixelSpec(resize=256, crop=(224, 224)), name="r", licence="mit"
)

text = st.text(st.characters(codec="utf-8"), max_size=12)
pixels = st.builds(
    PixelSpec,
    resize=st.one_of(st.none(), st.integers(1, 512), st.tuples(st.integers(1, 512), st.integers(1, 512))),
    crop=st.one_of(st.none(), st.tuples(st.integers(1, 512), st.integers(1, 512))),
    filter=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    antialias=st.booleans(),
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    decoder=st.sampled_from(["scaled", "exact"]),
)
arguments = st.dictionaries(
    text, st.one_of(st.integers(), st.booleans(), text, st.lists(st.integers(), max_size=3)), max_size=3
)
counted = {
    "architecture": text, "weights": text, "layer": text, "pooling": text, "pixels": st.one_of(st.none(), pixels),
    "precision": st.sampled_from(["fp32", "bf16"]), "arguments": arguments,
}  # fmt: skip
recipes = st.builds(Recipe, **counted, name=text, licence=text)


@given(recipes)
def test_a_recipe_survives_json(recipe: Recipe):
    """Written and read it is the same, with the same id, name and licence."""
    read = Recipe.from_json(json.loads(json.dumps(recipe.as_json())))
    assert read == recipe
    assert (read.id, read.name, read.licence) == (recipe.id, recipe.name, recipe.licence)


@given(recipes, st.data())
def test_the_id_changes_exactly_with_what_counts(recipe: Recipe, data: st.DataObject):
    """Any counted field, changed, changes the id; unchanged, it does not."""
    field = data.draw(st.sampled_from(sorted(counted)))
    other = replace(recipe, **{field: data.draw(counted[field])})
    same = json.dumps(recipe.as_json()[field]) == json.dumps(other.as_json()[field])
    assert (recipe.id == other.id) == (same or recipe.as_json()[field] == other.as_json()[field])


@given(recipes, text, text)
def test_names_and_licences_are_for_people(recipe: Recipe, name: str, licence: str):
    """They change neither the id, nor equality, nor the hash."""
    other = replace(recipe, name=name, licence=licence)
    assert other == recipe
    assert other.id == recipe.id
    assert hash(other) == hash(recipe)


def test_every_field_is_counted_or_known_not_to_be():
    """A field added later must be thought of here."""
    assert {field.name for field in fields(Recipe)} == {*counted, "name", "licence"}


def test_every_field_of_the_pixels_counts():
    """Each change of the pixel spec is another recipe."""
    changes = {
        "resize": 255, "crop": (223, 224), "filter": "bilinear", "antialias": False, "mean": (0.1, 0.0, 0.0),
        "std": (1.0, 1.0, 0.9), "decoder": "exact", "range": (0.0, 4095.0), "stretch": "linear:0,1", "rules": 99,
    }  # fmt: skip
    assert set(changes) == {field.name for field in fields(PixelSpec)}
    ids = {replace(BASE, pixels=replace(BASE.pixels, **{name: value})).id for name, value in changes.items()}
    assert len(ids | {BASE.id}) == len(changes) + 1


def test_the_order_of_arguments_does_not_count():
    """A mapping has no order."""
    assert replace(BASE, arguments={"a": 1, "b": 2}).id == replace(BASE, arguments={"b": 2, "a": 1}).id


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_id_is_the_same_in_every_process(seed: str):
    """Whatever Python hashes with: ids lie in workspaces for years."""
    record = json.dumps(BASE.as_json())
    code = f"import json; from boda.recipe import Recipe; print(Recipe.from_json(json.loads({record!r})).id)"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
    ).stdout
    assert told.strip() == BASE.id


def test_features_are_stored_as_they_were_computed():
    """float16 for bf16, float32 for fp32."""
    assert (BASE.dtype, replace(BASE, precision="bf16").dtype) == ("float32", "float16")


def test_an_unknown_recipe_says_so():
    """Features that were imported without a word of how."""
    assert BASE.known
    assert not Recipe("unknown", "", "", "", None).known
