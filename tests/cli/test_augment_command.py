"""boda augment says the steps, writes the sheet where it says, and names every preset in its help."""

import pytest

from boda.cli.augment import augment
from boda.pixels.augment import PRESETS
from spoken import one_line, one_object


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Sheets go into the current folder."""
    monkeypatch.chdir(tmp_path)


def test_it_says_the_steps_and_where_the_sheet_is(run, photos, tmp_path):
    """Numbered, with every setting; without --show nothing is written."""
    said = run("augment", photos / "red 0.png", "--preset", "cifar")
    assert said.exit_code == 0
    assert [line.split() for line in said.stdout.splitlines()[1:3]] == [
        ["1", "pad_and_crop", "padding=4,", "fill=0"],
        ["2", "horizontal_flip", "p=0.5"],
    ]
    assert not (tmp_path / "red 0-augment").exists()
    said = run("augment", photos / "red 0.png", "--preset", "cifar", "--show", "--count", "3")
    assert said.stdout.endswith(f"Sheet: {tmp_path}/red 0-augment/cifar.png\n")
    assert run("augment", photos / "red 0.png", "--preset", "none").stdout == (
        "What comes out: images of the same size\n"
    )


def test_json_is_one_object(run, photos):
    """With the augmentation as data and every view."""
    record = one_object(
        run("augment", photos / "red 0.png", "--preset", "notebook", "--size", "32", "--to", "s.png", "--json")
    )
    assert record["augmentation"]["steps"][1]["step"] == "rotation"
    assert [view["size"] for view in record["views"]] == [[32, 32]] * 12
    assert record["sheet"] == "s.png"


def test_the_help_names_every_preset():
    """And no other."""
    (option,) = [one for one in augment.params if one.name == "preset"]
    assert option.help.partition(";")[0].split(", ") == list(PRESETS)


def test_an_unknown_preset_is_one_line(run, photos):
    """With those there are."""
    assert ", ".join(PRESETS) in one_line(run("augment", photos / "red 0.png", "--preset", "blur"))
