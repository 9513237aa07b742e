"""Options about encoders: what is typed is what the function is asked for, and what comes out says which is which."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import boda
from boda.cli.main import cli
from boda.cli.show import Show


def run(*arguments: str | Path) -> Result:
    """`boda ARGUMENTS` in this process."""
    return CliRunner().invoke(cli, list(map(os.fspath, arguments)), obj=Show())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict]:
    """The options that a verb's function is given."""

    def asked(verb: str, *arguments: str) -> dict:
        given = {}

        def note(*_: object, **options: object) -> None:
            given.update(options)
            raise boda.BodaError("enough")

        monkeypatch.setattr(boda, verb, note)
        assert run(verb, *arguments).exit_code == 1
        return given

    return asked


def test_layers_and_poolings_come_in_their_order(asked):
    """Each may be given several times; without any, the model's own."""
    options = asked("embed", "x", "--layer", "a", "--layer", "b.1", "--pooling", "gem", "--pooling", "cls")
    assert (options["layers"], options["poolings"]) == (("a", "b.1"), ("gem", "cls"))
    plain = asked("embed", "x")
    assert (plain["layers"], plain["poolings"], plain["pixels"]) == ((), (), None)


@pytest.mark.parametrize("verb", ["embed", "predict"])
def test_what_an_encoder_is_to_see_is_said_the_same_way(asked, verb: str):
    """--pixels, --decode, --stretch, --range and --device of both."""
    options = asked(
        verb, "x", "--pixels", "size=64", "--decode", "exact", "--stretch", "log:1,2", "--range", "0", "9", "--device", "cpu"
    )  # fmt: skip
    names = ("pixels", "decode", "stretch", "range", "device")
    assert [options[name] for name in names] == ["size=64", "exact", "log:1,2", (0.0, 9.0), "cpu"]


def test_search_says_where_to_compute(asked):
    """The rest is the recipe's."""
    assert asked("search", "w", "--image", "x.png", "--device", "cpu")["device"] == "cpu"


@pytest.mark.parametrize("option", [["--pixels", "size=64"], ["--stretch", "log:1,2"], ["--range", "0", "1"]])
def test_a_head_brings_its_own_pixels(option: list[str]):
    """Other pixels would be other features: wrong usage."""
    result = run("predict", "x.png", "--head", "h", *option)
    assert result.exit_code == 2
    assert "a head or a clustering has its own recipe" in " ".join(result.stderr.split())


def test_the_layers_of_an_encoder_are_a_table_and_json():
    """Names as --layer takes them, types, shapes, parameters; without a name it is wrong usage."""
    shown = run("encoders", "timm:test_resnet", "--layers")
    assert shown.exit_code == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["layer1.0", "BasicBlock", "32x40x40", "18,560"] in rows
    assert rows[-1][:1] == ["last"]
    (record,) = json.loads(run("encoders", "timm:test_resnet", "--layers", "--json").stdout)["encoders"]
    assert {"name": "layer1.0", "kind": "BasicBlock", "parameters": 18560, "calls": 1, "shape": [32, 40, 40]} in record[
        "layers"
    ]
    assert run("encoders", "--layers").exit_code == 2


@pytest.mark.slow
def test_embed_tells_layers_apart(photos: Path, tmp_path: Path):
    """A column for the layer and one for the pooling where names alone do not say."""
    to = tmp_path / "w.boda"
    options = ("--pixels", "size=64", "--layer", "blocks.1", "--layer", "last", "--pooling", "gem", "--device", "cpu")
    result = run("embed", photos, "--to", to, *options)
    assert result.exit_code == 0, result.stderr
    assert "layer     pooling" in result.stdout
    assert "blocks.1  gem" in result.stdout
    assert len(boda.open(to).recipes()) == 2


def test_predict_says_how_often_to_look(asked):
    """--crops and --scales as whole numbers; once, at the encoder's own size, unless it is said."""
    plain = asked("predict", "x")
    assert (plain["crops"], plain["scales"]) == (1, None)
    assert asked("predict", "x", "--crops", "10")["crops"] == 10
    assert asked("predict", "x", "--scales", "224,256, 384")["scales"] == (224, 256, 384)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--crops", "5"),
        ("--scales", "224,x"),
        ("--scales", ""),
        ("--scales", "0"),
        ("--head", "h", "--crops", "10"),
        ("--head", "h", "--scales", "224"),
    ],
)
def test_looks_that_make_no_sense_are_wrong_usage(arguments: tuple[str, ...]):
    """Exit code 2, before anything is done."""
    assert run("predict", "x", *arguments).exit_code == 2
