"""The recipe of CIFAR-10, tiny: a few images, four steps; and how it shares out the time of two cores."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import resnet_cifar10
from boda.training import checkpoint
from boda.training.preset import Preset, preset_named
from resnet_cifar10 import Net, of_preset
from resnets.figure3 import figure3
from resnets.two_cores import schedule, seconds_of, step_seconds, steps_within

TINY = preset_named("cifar-paper").changed(iterations=4, epochs=2, batch=8)
NETS = [Net(20, "plain"), Net(20, "A"), Net(32, "A")]


def image(rng: np.random.Generator, bright: int) -> bytes:
    pixels = rng.integers(0, 90, (32, 32, 3)) + 120 * bright
    made = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(made, "PNG")
    return made.getvalue()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """24 images to learn from, in a folder a class, and 10 to test on, in a table."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for row in range(24):
        place = folder / "train" / ("cat", "ship")[row % 2] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(image(rng, row % 2))
    (folder / resnet_cifar10.TEST).parent.mkdir()
    rows = {
        "image": [image(rng, row % 2) for row in range(10)],
        "class": [("cat", "ship")[row % 2] for row in range(10)],
    }
    pq.write_table(pa.table(rows), folder / resnet_cifar10.TEST)
    return folder


@pytest.fixture(scope="module")
def receipt(data):
    """Of three networks."""
    return resnet_cifar10.run(
        data / "train",
        data / resnet_cifar10.TEST,
        data / "out",
        nets=NETS,
        preset=TINY,
        device="cpu",
        tell=lambda _: None,
    )


def test_every_network_is_beside_the_papers_figure(receipt):
    """With its steps, errors and parameters; the two that can be compared are, whatever came out."""
    rows = [line.split("|") for line in receipt.splitlines() if "-20 |" in line or "-32 |" in line]
    cells = {row[1].strip(): [cell.strip() for cell in row[2:-1]] for row in rows}
    assert set(cells) == {"plain-20", "residual-20", "residual-32"}
    assert [cells[name][3] for name in cells] == ["about 9", "8.75", "7.51"]
    assert all(one[0] == "4" and one[4] == {"7.51": "0.46"}.get(one[3], "0.27") for one in cells.values())
    assert "residual-32 is " in receipt
    assert "plain-32" not in receipt
    assert receipt.count("in training error") == receipt.count("in test error") == 1


def test_pictures_and_runs_are_there(receipt, data):
    """Three PNG files; each run is a folder whose test rows chose nothing that is reported."""
    for name in ("figure1.png", "figure6.png", "figure7.png"):
        with Image.open(data / "out" / name) as picture:
            picture.load()
    lines = (data / "out" / "residual-20" / "split.csv").read_text().splitlines()
    assert sum(line.endswith(",training") for line in lines) == 24
    assert checkpoint.load(data / "out" / "residual-20", "last").record["step"] == 4


def test_the_same_call_again_trains_nothing(receipt, data, monkeypatch):
    """What has ended is read back and says the same."""
    before = {file: file.stat().st_mtime_ns for file in (data / "out").glob("*/last-*.safetensors")}
    told = []
    again = resnet_cifar10.run(
        data / "train", data / resnet_cifar10.TEST, data / "out", nets=NETS, preset=TINY, device="cpu", tell=told.append
    )
    assert {file: file.stat().st_mtime_ns for file in (data / "out").glob("*/last-*.safetensors")} == before
    assert again.splitlines()[:-1] == receipt.splitlines()[:-1]
    assert len(told) == 3


def test_responses_are_of_the_last_network(data, receipt):
    """As the checkpoint has it."""
    found = resnet_cifar10.boda.train_network(
        data / "train", net=NETS[1].name, target="class", preset=TINY, validation=data / resnet_cifar10.TEST,
        flip_pairs=(), device="cpu", to=data / "out" / "residual-20",
    )  # fmt: skip
    last = checkpoint.load(found.folder, "last").tensors
    network = resnet_cifar10._last(found)
    assert all(torch.equal(tensor, last[f"network/{name}"]) for name, tensor in network.state_dict().items())
    assert resnet_cifar10._images(data / resnet_cifar10.TEST, 4).shape == (4, 3, 32, 32)


def test_names_are_those_of_networks():
    """Options ride on them; the paper's figures are of option A and of plain nets."""
    assert (Net(56, "plain").name, Net(56, "plain").label) == ("resnet56?residual=false", "plain-56")
    assert (Net(44, "C").name, Net(44, "C").label, Net(44, "C").published) == (
        "resnet44?shortcut=C",
        "residual-44-C",
        "",
    )
    assert Net(110, "A").published == "6.43"


def test_only_the_deep_network_is_warmed_up():
    """As in the paper, and only in the paper's preset."""
    paper = preset_named("cifar-paper")
    assert of_preset(paper, Net(56, "A")) == paper
    warmed = of_preset(paper.changed(iterations=100), Net(110, "A"))
    assert (warmed.name, warmed.flat_warmup, warmed.iterations) == ("cifar-paper-110", True, 100)
    assert of_preset(TINY.changed(name="short"), Net(110, "A")).name == "short"


def test_all_runs_together_stay_within_the_time():
    """As many steps as fit, and no hundred more."""
    each, rows = [0.1, 0.3, 0.11, 0.32], 50_000
    steps = steps_within(3600, each, rows, 128)
    assert steps % 100 == 0
    assert seconds_of(steps, each, rows, 128) <= 0.9 * 3600 < seconds_of(steps + 100, each, rows, 128)
    assert steps_within(1, each, rows, 128) == 1


def test_the_schedule_is_kept(tmp_path, monkeypatch):
    """The second time nothing is measured; drops are where the paper's are, in shares."""
    from resnets import two_cores

    monkeypatch.setattr(two_cores, "step_seconds", lambda name, preset: 0.2)
    chosen = schedule(["resnet20"], 1_000, tmp_path / "schedule.json", minutes=2)
    monkeypatch.setattr(two_cores, "step_seconds", lambda name, preset: 1 / 0)
    assert schedule(["resnet20"], 1_000, tmp_path / "schedule.json", minutes=9) == chosen
    preset = chosen.preset
    assert isinstance(preset, Preset)
    assert (preset.drops, preset.batch, preset.lr) == ((0.5, 0.75), 128, 0.1)
    assert preset.epochs * 8 >= preset.iterations > (preset.epochs - 1) * 8


def test_a_step_takes_time():
    """Of either kind of network, in either precision."""
    preset = TINY.changed(batch=2)
    for net in (NETS[0], NETS[1]):
        for precision in ("fp32", "bf16"):
            assert step_seconds(net.name, preset.changed(precision=precision), steps=1) > 0


def test_the_table_of_figure_3():
    """Sizes, layers and costs; ours beside the paper's."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in figure3().splitlines()]
    assert lines[0] == ["output size", "VGG-19", "34-layer plain", "34-layer residual"]
    assert [line[0] for line in lines[2:]] == [
        "224", "112", "56", "28", "14", "7", "1", "parameters", "multiply-adds", "in the paper",
    ]  # fmt: skip
    assert lines[2][1].startswith("2 × 3x3 conv, 64")
    assert lines[3][2].startswith("7x7 conv, 64")
    assert lines[6][1].startswith("4 × 3x3 conv, 512")
    assert lines[8][1].startswith("2 × fc 4096, fc 1000")
    assert lines[-3][1:] == ["143,667,240", "21,623,848", "21,623,848"]
    assert lines[-2][1:] == ["19.63 billion", "3.64 billion", "3.64 billion"]


def test_two_cores_are_told_first_how_long_it_takes(data, tmp_path, monkeypatch, capsys):
    """Then four networks are trained alike, and the receipt is printed and kept."""
    from resnets import two_cores

    monkeypatch.setattr(two_cores, "step_seconds", lambda name, preset: 100.0)
    words = [str(data / "train"), str(data), "--to", str(tmp_path / "out"), "--two-cores", "--minutes", "400"]
    monkeypatch.setattr("sys.argv", ["resnet_cifar10.py", *words])
    resnet_cifar10.main()
    said = capsys.readouterr()
    assert said.err.splitlines()[0].startswith("1 steps of 128 for each of 4 networks, ")
    assert said.out.count("| 1 | ") == 5  # and a line of figure 3
    assert (tmp_path / "out" / "receipt.md").read_text().strip() == said.out.strip()
    monkeypatch.setattr("sys.argv", ["resnet_cifar10.py", str(data / "train"), str(tmp_path)])
    with pytest.raises(SystemExit, match="not there; give the folder of data"):
        resnet_cifar10.main()
    monkeypatch.setattr("sys.argv", ["resnet_cifar10.py", *words, "--preset", "cifar-fast"])
    with pytest.raises(SystemExit, match=r"cifar-fast with --two-cores.*: one of the two"):
        resnet_cifar10.main()
