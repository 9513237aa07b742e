"""Several layers and poolings of one network: one pass, several recipes, the same bits, and safe to stop."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import boda
from boda.encoders.running import Running
from boda.encoders.torch_encoder import Network, TorchEncoder, last_map
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

LAYERS, POOLINGS = ("0", "act"), ("mean", "gem")


class Net(torch.nn.Module):
    """Two maps and a mean."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.add_module("0", torch.nn.Conv2d(3, 4, 3, stride=2))
        self.act = torch.nn.ReLU()

    def forward(self, batch):
        return last_map(self.act(getattr(self, "0")(batch))).mean(dim=(2, 3))


def encoder() -> TorchEncoder:
    recipe = Recipe("test:net", "", "pooled", "model", PixelSpec(resize=16, crop=(16, 16)), name="net")
    return TorchEncoder(Network(Net(), lambda module, batch: module(batch)), recipe, torch.device("cpu"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """40 images, three batches, with a copy in the last."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(39):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / f"{number:02}.png")
    (folder / "99.png").write_bytes((folder / "03.png").read_bytes())
    return folder


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> "Passes":
    """Counts forward passes of batches."""
    seen = Passes([])
    real = Running.features

    def counted(self, pixels, parts, precision):
        seen.of.append((len(pixels), len(parts)))
        if len(seen.of) == seen.fails_at:
            raise RuntimeError("a power cut")
        return real(self, pixels, parts, precision)

    monkeypatch.setattr(Running, "features", counted)
    return seen


@dataclass
class Passes:
    of: list[tuple[int, int]]
    fails_at: int = 0


def embed(photos: Path, to: Path, **options) -> boda.Workspace:
    return boda.embed(photos, to=to, executor="in-process", precision="fp32", block_seconds=0, **options)


def features(workspace: boda.Workspace) -> dict[tuple[str, str], np.ndarray]:
    return {(one.layer, one.pooling): np.array(workspace.features(one).array) for one in workspace.recipes()}


def test_every_layer_with_every_pooling_is_a_recipe_and_all_are_one_pass(photos: Path, tmp_path: Path, passes: Passes):
    """One pass a batch of 16; the report names each."""
    workspace = embed(photos, tmp_path / "w.boda", encoders=encoder(), layers=LAYERS, poolings=POOLINGS)
    named = [(one["layer"], one["pooling"]) for one in workspace.report["recipes"]]
    assert named == [(layer, pooling) for layer in LAYERS for pooling in POOLINGS]
    assert sorted(passes.of) == [(7, 4), (16, 4), (16, 4)]
    assert workspace.report["embedded"] == 40


def test_together_and_one_at_a_time_are_the_same_bits(photos: Path, tmp_path: Path):
    """Whichever was computed with whichever."""
    together = embed(photos, tmp_path / "a.boda", encoders=encoder(), layers=[*LAYERS, "pooled", "last"])
    for layer in ("pooled", "last", *LAYERS):
        alone = embed(photos, tmp_path / "b.boda", encoders=encoder(), layers=layer)
    assert features(together).keys() == {("0", "mean"), ("act", "mean"), ("pooled", "model"), ("last", "mean")}
    for key, rows in features(alone).items():
        np.testing.assert_array_equal(rows, features(together)[key])


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(photos: Path, tmp_path: Path, passes: Passes, fails_at: int):
    """Whole batches of all recipes or none; what was committed is not computed again."""
    options = {"encoders": encoder(), "layers": LAYERS, "poolings": POOLINGS}
    whole = features(embed(photos, tmp_path / "whole.boda", **options))
    passes.of.clear()
    passes.fails_at = fails_at
    with pytest.raises(RuntimeError, match="power cut"):
        embed(photos, tmp_path / "cut.boda", **options)
    passes.fails_at = 0
    resumed = features(embed(photos, tmp_path / "cut.boda", **options))
    for key, rows in whole.items():
        np.testing.assert_array_equal(resumed[key], rows)


def test_a_recipe_that_is_there_already_is_not_computed_again(photos: Path, tmp_path: Path, passes: Passes):
    """The pass is for those that lack something."""
    embed(photos, tmp_path / "w.boda", encoders=encoder())
    passes.of.clear()
    workspace = embed(photos, tmp_path / "w.boda", encoders=encoder(), layers=["pooled", "act"])
    assert sorted(passes.of) == [(7, 1), (16, 1), (16, 1)]
    assert workspace.report["skipped"] == 0
    assert {rows.shape for rows in features(workspace).values()} == {(40, 4)}


@pytest.mark.parametrize("fast", [True, False])
def test_each_recipe_has_its_own_precision(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool):
    """What passes the gate is computed in bf16 where that is fast; a run that goes on keeps what was chosen."""
    from boda.encoders import precision
    from boda.pipelines.run import precision as settling

    name = make_module(tmp_path, monkeypatch)
    for place in (precision, settling):
        monkeypatch.setattr(place, "bf16_is_fast", lambda device: fast)
    chosen = []
    for _ in range(2):
        workspace = boda.embed(photos, to=tmp_path / "w.boda", encoders=name, layers=["0", "output", "act"])
        chosen.append({one.layer: one.precision for one in workspace.recipes()})
        monkeypatch.setattr(precision, "GATE", 2.0)
    assert chosen[0] == chosen[1] == dict.fromkeys(("0", "output", "act"), "bf16" if fast else "fp32")


def make_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """`boda_layers_net:make`, a small network of one's own."""
    text = Path(__file__).read_text()
    net = text[text.index("class Net(") : text.index("def encoder()")]
    (folder / "boda_layers_net.py").write_text(
        f"import torch\nimport boda\nfrom boda.encoders.torch_encoder import last_map\n\n{net}\n"
        "def make():\n    net = Net()\n    net.pixels = boda.PixelSpec(resize=16, crop=(16, 16))\n    return net\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return "boda_layers_net:make"


def test_new_images_are_searched_by_the_recipe_of_a_layer(photos: Path, tmp_path: Path):
    """Layer, pooling and pixels are restored from the recipe alone; an image finds itself."""
    workspace = boda.embed(
        photos, to=tmp_path / "w.boda", encoders="auto", layers="blocks.2", poolings="gem", pixels="size=64,mean=0.4"
    )
    (recipe,) = workspace.recipes()
    assert (recipe.layer, recipe.pooling, recipe.pixels.shape, recipe.pixels.mean) == (
        "blocks.2", "gem", (64, 64), (0.4, 0.4, 0.4),
    )  # fmt: skip
    found = boda.search(workspace, image=photos / "05.png", k=1, device="cpu", to=tmp_path / "s.png")
    assert list(found.hits.keys) == ["05.png"]
    assert found.hits.likeness[0] > 0.999


def test_another_backend_has_the_same_layers(photos: Path, tmp_path: Path):
    """Each is a graph of its own, and near what torch gives."""
    pytest.importorskip("onnxruntime")
    options = {"encoders": "auto", "layers": ["blocks.0", "blocks.1"], "poolings": "gem", "pixels": "size=64"}
    ours, theirs = (
        features(embed(photos, tmp_path / f"{backend}.boda", backend=backend, device="cpu", **options))
        for backend in ("torch", "onnx")
    )
    assert ours.keys() == theirs.keys() == {("blocks.0", "gem"), ("blocks.1", "gem")}
    for key, rows in ours.items():
        np.testing.assert_allclose(theirs[key], rows, rtol=1e-3, atol=1e-4)


def test_layers_are_refused_where_there_are_none(photos: Path, tmp_path: Path):
    """Before a workspace is made."""
    with pytest.raises(Refused, match="no layers that can be named"):
        boda.embed(photos, to=tmp_path / "w.boda", encoders="handmade:hog-colour", layers="layer3")
    assert not (tmp_path / "w.boda").exists()


def test_reports_are_plain_json(photos: Path, tmp_path: Path):
    """Layer and pooling stand beside the name."""
    report = embed(photos, tmp_path / "w.boda", encoders=encoder(), poolings="gem").report
    (one,) = json.loads(json.dumps(report))["recipes"]
    assert (one["name"], one["layer"], one["pooling"], one["width"]) == ("net", "last", "gem", 4)
