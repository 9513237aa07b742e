"""`boda look-inside`: what it says, and how it refuses."""

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from boda.models.plan import NetworkPlan, build
from decoding_here import decoded
from spoken import one_line, one_object


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Decoded in this process; what has no place of its own is written here."""
    for where in ("looking.given", "thumbnails"):
        monkeypatch.setattr(f"boda.pipelines.{where}.decoded", decoded)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A ResNet-20 of random weights, as options."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(NetworkPlan("resnet20", (32, 32), 3, 10, {}))
    place = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    save_file({name: one.contiguous() for name, one in module.state_dict().items()}, place)
    return "--weights", place


def test_an_encoder_alone_shows_its_filters(run, network, tmp_path):
    """In a folder here; the words, then the files, which are named after the network: it is not the usual one."""
    result = run("look-inside", "resnet:resnet20", "filters", *network)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("resnet:resnet20, layer conv1: 16 filters of 3 x 3 pixels; 0 of them do nothing")
    stem = lines[1].removeprefix("file: ").removesuffix(".png")
    assert lines[1:] == [f"file: {stem}.{end}" for end in ("png", "npy", "json")]
    assert stem.startswith("boda-look-inside/filters-resnet-resnet20-")
    assert (tmp_path / f"{stem}.png").is_file()


def test_neighbours_of_a_folder_are_a_table_a_layer(run, network, photos):
    """Several layers; the copy first; with `-e` and a folder in place of a workspace."""
    options = ("-e", "resnet:resnet20", *network, "--image", "red 0.png", "--layer", "layer1", "--layer", "last")
    result = run("look-inside", photos, "neighbours", *options, "--count", "2")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    tables = [number for number, line in enumerate(lines) if line.split()[-1:] == ["likeness"]]
    assert [lines[number].split()[0] for number in tables] == ["layer1", "last"]
    assert all("사진, copy.png" in lines[number + 1] and lines[number + 1].endswith("1.0000") for number in tables)


def test_a_made_image_as_json(run, network):
    """One object: two classes, how it climbed, no collection."""
    options = ("--class", "3", "--class", "5", "--steps", "2", "--jitter", "0", "--l2", "0.1", "--basis", "pixels")
    record = one_object(run("look-inside", "resnet:resnet20", "maximise", *network, *options, "--json"))
    assert [one["score"] for one in record["found"]["scores"]] == ["class:3", "class:5"]
    assert (
        record["found"]["ascent"] | {"basis": "pixels", "steps": 2, "jitter": 0.0, "l2": 0.1}
        == record["found"]["ascent"]
    )
    assert record["images"] is None and "-3-5-basis-pixels-jitter-0.0-l2-0.1-steps-2" in record["files"][0]


def test_refusals_are_one_line(run, network, photos, workspace):
    """And wrong usage exits with 2."""
    there = ("look-inside", "resnet:resnet20")
    assert "Near: layer1" in one_line(run(*there, "filters", *network, "--layer", "layr1"))
    assert "filters takes no image" in one_line(run(*there, "filters", "--image", "x.png"))
    assert "needs images" in one_line(run(*there, "map", *network))
    assert "no network of torch" in one_line(run("look-inside", workspace.path, "channels"))
    assert "no encoder of this name" in one_line(run("look-inside", "nowhere", "filters"))
    for wrong in (["pictures"], ["channels", "--channels", "a"], ["maximise", "--steps", "0"], []):
        assert run("look-inside", photos, *wrong).exit_code == 2
