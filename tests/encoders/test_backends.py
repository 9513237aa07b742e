"""Other backends compute what torch computes, within the gate, and never pass for it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.encoders import backends
from boda.encoders.base import Encoder
from boda.encoders.onnx_graph import onnx_graph
from boda.encoders.precision import GATE, cosines
from boda.encoders.registry import encoder_for
from boda.errors import MissingExtra, Refused
from boda.recipe import Recipe
from boda.testing import EncoderContract
from boda.testing.encoder_contract import apart, on_one_core, some_pixels

pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow
BACKENDS = ["onnx", "openvino"]
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module", autouse=True)
def _each_graph_once() -> Iterator[None]:
    """Writing a graph takes seconds: here each encoder's is written once."""
    graphs: dict[str, bytes] = {}

    def remembered(encoder):
        if encoder.recipe.id not in graphs:
            graphs[encoder.recipe.id] = onnx_graph(encoder)
        return graphs[encoder.recipe.id]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "onnx_graph", remembered)
        yield


@pytest.fixture(scope="module")
def made(_each_graph_once: None, resnet_file: Path, vit_file: Path) -> dict[tuple[str, str], Encoder]:
    """Each network by each backend, made once."""
    found = {}
    for backend in BACKENDS:
        pytest.importorskip(PACKAGES[backend])
        for model, file in (("test_resnet", resnet_file), ("test_vit", vit_file)):
            found[model, backend] = boda.load_encoder(f"timm:{model}", weights=file, backend=backend)
    return found


class _Contract(EncoderContract):
    @pytest.fixture(autouse=True)
    def _file(self, made, resnet_file) -> None:
        type(self).file, type(self)._made = resnet_file, made["test_resnet", self.backend]

    def make(self) -> Encoder:
        return boda.load_encoder("timm:test_resnet", weights=self.file, backend=self.backend)


class TestOnnx(_Contract):
    backend = "onnx"


class TestOpenVino(_Contract):
    backend = "openvino"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_features_agree_with_torch(made, backend, model, resnet_file, vit_file):
    """To 1e-5 of their length here, on one core and on all, far inside the gate; and it says how well."""
    file = resnet_file if model == "test_resnet" else vit_file
    torch_encoder, other = boda.load_encoder(f"timm:{model}", weights=file), made[model, backend]
    pixels = some_pixels(torch_encoder.recipe.pixels.shape)
    for features in (other(pixels), on_one_core(other, pixels)):
        assert apart(features, torch_encoder(pixels)) <= 1e-5
        assert cosines(features, torch_encoder(pixels)).min() >= GATE
    assert f"{backend} agrees with torch to a cosine of 1.0000000, largest difference" in other.notes[-1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_backend_is_part_of_the_recipe(made, backend, resnet_file):
    """Features of two backends never mix; everything else is the same."""
    plain = boda.load_encoder("timm:test_resnet", weights=resnet_file).recipe
    recipe = made["test_resnet", backend].recipe
    assert recipe != plain
    assert {k: v for k, v in recipe.arguments.items() if k != "backend"} == dict(plain.arguments)
    assert recipe.arguments["backend"] == backend
    stored = Recipe.from_json(json.loads(json.dumps(recipe.as_json())))
    assert encoder_for(stored, weights=resnet_file).recipe == recipe


def test_layers_are_computed_by_the_backend_too(made):
    """`--layer` and `--pooling` of a converted encoder agree with those of torch."""
    encoder = made["test_resnet", "onnx"]
    other, exact = encoder.take("layer2", "mean"), encoder._source.take("layer2", "mean")
    assert other.recipe.arguments["backend"] == "onnx"
    assert (other.recipe.layer, other.recipe.pooling) == ("layer2", "mean")
    pixels = some_pixels(encoder.recipe.pixels.shape)
    assert apart(other(pixels), exact(pixels)) <= 1e-5
    assert encoder.take() is encoder


@pytest.mark.parametrize("backend", BACKENDS)
def test_other_features_are_refused(made, backend, monkeypatch, resnet_file):
    """A backend that computes something else is not taken, and the error says by how much it is off."""
    right = made["test_resnet", backend]._run
    rng = np.random.default_rng(0)

    def wrong(pixels):
        features = right(pixels)
        return (features + 0.1 * np.abs(features).mean() * rng.normal(size=features.shape)).astype(np.float32)

    monkeypatch.setattr(f"boda.encoders.{backend}_backend.load", lambda graph, what: wrong)
    with pytest.raises(Refused, match=rf"{backend} agrees with torch to a cosine of 0\.9.* is needed: use --backend"):
        boda.load_encoder("timm:test_resnet", weights=resnet_file, backend=backend)
    monkeypatch.setattr(
        f"boda.encoders.{backend}_backend.load", lambda graph, what: lambda pixels: right(pixels)[:, :5]
    )
    with pytest.raises(Refused, match="shape"):
        boda.load_encoder("timm:test_resnet", weights=resnet_file, backend=backend)
    monkeypatch.setattr(
        f"boda.encoders.{backend}_backend.load", lambda graph, what: lambda pixels: right(pixels) * np.nan
    )
    with pytest.raises(Refused, match="cosine of nan"):
        boda.load_encoder("timm:test_resnet", weights=resnet_file, backend=backend)


def test_openvino_is_held_to_fp32(made):
    """Left to itself it computes in bf16 where the processor can, whatever the graph says."""
    run = made["test_resnet", "openvino"]._run
    for compiled in run._compiled.values():
        assert str(compiled.get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"


def test_what_a_backend_cannot_do_is_refused(resnet_file, monkeypatch):
    """bf16, a GPU, encoders without a network, names of no backend, and what is not installed."""
    with pytest.raises(Refused, match="fp32 only"):
        boda.load_encoder("timm:test_resnet", weights=resnet_file, backend="onnx", precision="bf16")
    with pytest.raises(Refused, match="runs on the CPU"):
        boda.load_encoder("timm:test_resnet", weights=resnet_file, backend="onnx", device="cuda")
    with pytest.raises(Refused, match="not computed by torch"):
        boda.load_encoder("handmade:hog-colour", backend="openvino")
    with pytest.raises(Refused, match="no backend 'tensorrt'; one of torch, onnx, openvino"):
        boda.load_encoder("auto", backend="tensorrt")
    for backend, package in PACKAGES.items():
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtra, match=rf"boda\[{backend}\]"):
                boda.load_encoder("timm:test_resnet", weights=resnet_file, backend=backend)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"boda\[onnx\]"):
        onnx_graph(boda.load_encoder("timm:test_resnet", weights=resnet_file))


def test_networks_that_are_no_graph_are_refused():
    """A network that decides by its numbers what to do cannot be written down as a graph."""
    import torch

    class Deciding(torch.nn.Module):
        pixels = boda.PixelSpec(resize=8, crop=(8, 8))

        def forward(self, batch):
            return batch.flatten(1)[:, :4] if float(batch.sum()) > 0 else batch.flatten(1)[:, 4:8]

    with pytest.raises(Refused, match="cannot be written as an ONNX graph"):
        backends.converted(_own(Deciding()), "onnx")


def _own(module) -> Encoder:
    from boda.encoders.request import find_device
    from boda.encoders.torch_encoder import Network, TorchEncoder

    recipe = Recipe("mine", "0" * 64, "output", "none", module.pixels, name="mine")
    return TorchEncoder(Network(module, lambda model, batch: model(batch)), recipe, find_device("cpu"))


def test_the_exporter_says_nothing(resnet_file, capfd):
    """Its warnings are about its own insides; its graph takes any number of images."""
    import onnxruntime

    encoder = boda.load_encoder("timm:test_resnet", weights=resnet_file)
    graph = onnx_graph(encoder)
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    pixels = some_pixels(encoder.recipe.pixels.shape)
    for n in (1, 3, 6):
        assert apart(session.run(None, {"pixels": pixels[:n]})[0], encoder(pixels[:n])) <= 1e-5
