"""Each family of networks, small and of random weights: its layer is found, maps lie on its places, or it is refused."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from attending import batch_for, logit
from boda.encoders import open_clip_models, timm_models, trained
from boda.encoders.network import Network
from boda.encoders.opened import OpenNetwork, opened
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.explanations.channels import channel_score
from boda.explanations.deeplift import deep_lift
from boda.explanations.gradients import gradient, gradient_times_input
from boda.explanations.integrated import integrated_gradients
from boda.explanations.layer_output import channels_at
from boda.explanations.methods import explained, explained_each
from boda.explanations.occlusion import occlusion
from boda.explanations.passes import scored
from boda.explanations.score import Score
from boda.explanations.smoothing import smooth_gradient
from boda.explanations.target_layer import target_layer, targets
from boda.models.plan import NetworkPlan, build
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

timm = timm_models.import_timm("a test")
from timm.layers import LayerScale  # noqa: E402  behind the door to torchvision

CLASSES = 5
LIKENESS = Score(
    "like", "like", "cosine", lambda rows: torch.cosine_similarity(rows, torch.linspace(-1, 1, rows.shape[1])[None])
)
"""Of features, in every network; bent."""


@dataclass(frozen=True)
class Family:
    """One small network, and what is to be found in it."""

    make: Callable[[], Network]
    shape: tuple[int, int]
    """Of its images."""
    layer: str
    """How the name of the last layer that still moves the score ends."""
    kind: str
    """Of that layer's layout."""
    places: tuple[int, int]
    linear: bool = False
    """Whether its logits are linear in the average over these places."""
    attends: bool = False
    """Over the whole image, layer by layer."""


def of_timm(name: str, **arguments: object) -> Network:
    model = timm.create_model(name, num_classes=CLASSES, **arguments)
    return dataclasses.replace(timm_models.network_of(model), logits=timm_models._logits)


def of_ours(name: str, side: int) -> Network:
    plan = NetworkPlan(name, (side, side), 3, CLASSES)
    return trained._network(build(plan), plan, tuple("abcde"))


def of_transformers(kind: str) -> Network:
    transformers = pytest.importorskip("transformers")
    from boda.encoders import transformers_models

    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    tower |= {"image_size": 32, "patch_size": 8}
    if kind == "vit":
        model = transformers.ViTModel(transformers.ViTConfig(**tower))
        return Network(model, transformers_models._pooled, prefix_tokens=1, class_token=True)
    if kind == "swin":
        windows = {"image_size": 56, "embed_dim": 16, "depths": [2, 2], "num_heads": [1, 2], "window_size": 7}
        return Network(transformers.SwinModel(transformers.SwinConfig(**windows)), transformers_models._pooled)
    if kind == "convnext":
        stages = transformers.ConvNextConfig(num_stages=2, hidden_sizes=[8, 16], depths=[1, 1])
        return Network(transformers.ConvNextModel(stages), transformers_models._pooled)
    words = {"vocab_size": 13, "max_position_embeddings": 12, "hidden_size": 32, "num_hidden_layers": 1}
    words |= {"num_attention_heads": 2, "intermediate_size": 48, "bos_token_id": 0, "eos_token_id": 1}
    config = transformers.CLIPConfig(vision_config=tower, text_config=words, projection_dim=24)
    model = transformers.CLIPModel(config)
    return Network(model, transformers_models._projected, prefix_tokens=1, class_token=True)


def of_open_clip() -> Network:
    """The image tower of a CLIP of its own making: a class token, `nn.MultiheadAttention`, a projection."""
    pytest.importorskip("open_clip")
    from open_clip.model import CLIP

    tower = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    words = {"context_length": 12, "vocab_size": 13, "width": 32, "heads": 2, "layers": 1}
    return open_clip_models._network(CLIP(embed_dim=24, vision_cfg=tower, text_cfg=words).visual)


SWIN = {"img_size": 56, "embed_dim": 16, "depths": (2, 2), "num_heads": (1, 2)}
VIT = {"img_size": (48, 80), "depth": 3}
FAMILIES = {
    "resnet20": Family(partial(of_ours, "resnet20", 32), (32, 32), "layer3", "channels first", (8, 8), linear=True),
    "autoencoder": Family(partial(of_ours, "autoencoder", 28), (28, 28), "encoder.3", "channels first", (7, 7)),
    "resnet": Family(partial(of_timm, "test_resnet"), (96, 64), "layer4", "channels first", (3, 2), linear=True),
    "efficientnet": Family(
        partial(of_timm, "test_efficientnet"), (96, 64), "bn2", "channels first", (3, 2), linear=True
    ),
    "mobilenetv2": Family(partial(of_timm, "mobilenetv2_035"), (96, 64), "bn2", "channels first", (3, 2), linear=True),
    "mobilenetv3": Family(partial(of_timm, "mobilenetv3_small_050"), (96, 64), "blocks", "channels first", (3, 2)),
    "convnext": Family(partial(of_timm, "test_convnext"), (96, 64), "norm_pre", "channels first", (3, 2)),
    "swin": Family(
        partial(of_timm, "swin_tiny_patch4_window7_224", **SWIN), (56, 56), "norm", "channels last", (7, 7), linear=True
    ),
    "vit": Family(
        partial(of_timm, "test_vit", **VIT), (48, 80), "blocks.2.norm1", "tokens", (3, 5), attends=True
    ),
    "vit, averaged": Family(
        partial(of_timm, "test_vit2", **VIT), (48, 80), "norm", "tokens", (3, 5), attends=True
    ),
    "transformers vit": Family(
        partial(of_transformers, "vit"), (32, 32), "1.layernorm_before", "tokens", (4, 4), attends=True
    ),
    "transformers clip": Family(
        partial(of_transformers, "clip"), (32, 32), "1.layer_norm1", "tokens", (4, 4), attends=True
    ),
    "transformers swin": Family(partial(of_transformers, "swin"), (56, 56), "layernorm", "tokens", (7, 7)),
    "transformers convnext": Family(
        partial(of_transformers, "convnext"), (64, 96), "stages.1", "channels first", (8, 12)
    ),
    "open_clip": Family(of_open_clip, (32, 32), "resblocks.1.ln_1", "tokens", (4, 4), attends=True),
}  # fmt: skip
PIXELS = {
    "gradient": gradient,
    "gradient x input": gradient_times_input,
    "smoothgrad": lambda *given: smooth_gradient(*given, generator=torch.Generator().manual_seed(0), samples=2),
    "integrated gradients": partial(integrated_gradients, steps=2),
    "deeplift": deep_lift,
    "occlusion": lambda network, score, batch: occlusion(
        network, score, batch, window=(network.shape[0] // 2, network.shape[1] // 2), stride=(8, 8)
    ),
}


@pytest.fixture(scope="module")
def network_of() -> Callable[[str], OpenNetwork]:
    """By the name of its family, as `opened` gives it; made once. Norms and scales are as after a little training."""
    made: dict[str, OpenNetwork] = {}

    def of(name: str) -> OpenNetwork:
        if name not in made:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                network = FAMILIES[name].make()
                for one in network.module.modules():
                    if isinstance(one, torch.nn.BatchNorm2d):
                        torch.nn.init.uniform_(one.running_var, 0.5, 1.5)
                        torch.nn.init.normal_(one.running_mean, 0, 0.1)
                    if isinstance(one, LayerScale):
                        torch.nn.init.ones_(one.gamma)
            pixels = PixelSpec(resize=None, crop=FAMILIES[name].shape, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
            recipe = Recipe("test", "", "pooled", "model", pixels, name=f"test:{name}")
            made[name] = opened(TorchEncoder(network, recipe, torch.device("cpu")))
        return made[name]

    return of


def scores_of(network: OpenNetwork) -> list[Score]:
    """A feature's likeness to a direction, which every network has, and a logit where there are any."""
    return [LIKENESS] if network.network.logits is None else [LIKENESS, logit()]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_layer_is_found_and_read_rightly(name, network_of):
    """The last whose places still move the score, for features and for logits."""
    network, family = network_of(name), FAMILIES[name]
    for score in scores_of(network):
        found = target_layer(network, score)
        assert found.layer.endswith(family.layer), score.name
        assert (found.layout.kind, found.places) == (family.kind, family.places)
        assert found.layout.prefix == (network.network.prefix_tokens if family.kind == "tokens" else 0)


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "layer-cam"])
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_lie_on_the_places_of_the_layer(name, method, network_of):
    """Finite, one an image; enlarged to the pixels that the network saw."""
    network, family = network_of(name), FAMILIES[name]
    batch = batch_for(network, 2)
    score = scores_of(network)[-1]
    heat = explained(network, score, batch, method)
    assert heat.maps.shape == (2, *family.places) and heat.layer.endswith(family.layer)
    assert np.isfinite(heat.maps).all() and heat.maps.min() >= 0
    assert heat.at(network.shape).shape == (2, *family.shape)
    np.testing.assert_allclose(heat.scores, scored(network, score, batch), rtol=1e-4, atol=1e-5)
    assert method != "layer-cam" or np.ptp(heat.maps, axis=(1, 2)).min() > 0


@pytest.mark.parametrize("name", FAMILIES)
def test_a_place_is_where_its_pixels_are(name, network_of):
    """What one place of an early layer gives is moved by pixels around its middle: rows and columns are not mixed up."""
    network = network_of(name)
    found = targets(network, scores_of(network)[-1])[-1]  # the finest
    y, x = found.places[0] - 1, 0
    batch = batch_for(network, 1)
    channel = int(channels_at(network, network.anatomy.part(found.layer, None), batch)[0, :, y, x].argmax())
    heat = gradient(network, channel_score(network, found.layer, channel, place=(y, x)), batch).maps[0]
    down, across = (network.shape[0] * (y + 0.5) / found.places[0], network.shape[1] * (x + 0.5) / found.places[1])
    rows, columns = np.indices(heat.shape) + 0.5
    middle = ((rows * heat).sum() / heat.sum(), (columns * heat).sum() / heat.sum())
    reach = 0.75 * max(network.shape[0] / found.places[0], network.shape[1] / found.places[1], 4)
    assert np.abs(np.subtract(middle, (down, across))).max() < reach


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.linear])
def test_cam_adds_up_where_logits_are_linear_in_the_average(name, network_of):
    """Its mean over places is the logit less one offset, the same for every image."""
    network = network_of(name)
    heat = explained(network, logit(), batch_for(network), "cam")
    offsets = heat.scores - heat.maps.mean(axis=(1, 2))
    np.testing.assert_allclose(offsets, offsets[0], atol=1e-4 * np.abs(heat.maps).max())


@pytest.mark.parametrize("name", FAMILIES)
def test_cam_is_refused_where_they_are_not(name, network_of):
    """A class token, weights of each place's own, a norm or a layer behind the average, a bent score; with the reason."""
    network, family = network_of(name), FAMILIES[name]
    for score in scores_of(network):
        if score is LIKENESS or not family.linear:
            with pytest.raises(Refused, match=r"CAM needs global average pooling and a linear score.*use grad-cam"):
                explained(network, score, batch_for(network), "cam")


@pytest.mark.parametrize("method", ["attention", "rollout", "relevance"])
@pytest.mark.parametrize("name", FAMILIES)
def test_attention_is_shown_of_networks_that_attend_over_the_image(name, method, network_of):
    """And refused of others, with what to use."""
    network, family = network_of(name), FAMILIES[name]
    batch = batch_for(network, 2)
    for score in scores_of(network):
        if not family.attends:
            with pytest.raises(Refused, match=r"attend.*use grad-cam"):
                explained(network, score, batch, method)
            continue
        heat = explained(network, score, batch, method)
        assert heat.maps.shape == (2, *family.places)
        assert np.isfinite(heat.maps).all() and np.ptp(heat.maps, axis=(1, 2)).min() > 0


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.attends])
def test_there_is_a_map_of_each_head(name, network_of):
    """Two here; their mean is the map of all."""
    network = network_of(name)
    batch = batch_for(network, 2)
    heads = explained_each(network, LIKENESS, batch, "attention-heads")
    assert len(heads) == 2
    together = explained(network, LIKENESS, batch, "attention").maps
    np.testing.assert_allclose(np.mean([one.maps for one in heads], axis=0), together, rtol=1e-5)


@pytest.mark.parametrize("method", PIXELS)
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_at_the_pixels_are_made_of_every_family(name, method, network_of):
    """Finite, of the size that the network sees; DeepLIFT's add up."""
    network = network_of(name)
    batch = batch_for(network, 1)
    heat = PIXELS[method](network, scores_of(network)[-1], batch)
    assert heat.maps.shape == (1, *network.shape) and heat.layer == ""
    assert np.isfinite(heat.maps).all() and np.ptp(heat.maps) > 0
    if method == "deeplift":
        assert np.abs(heat.gaps["completeness"]) < 1e-3 * np.abs(heat.maps).sum()


@pytest.mark.parametrize("name", FAMILIES)
def test_another_layer_can_be_named(name, network_of):
    """One of each resolution, coarse to fine; the map is on its own places."""
    network = network_of(name)
    score = scores_of(network)[-1]
    found = targets(network, score)
    assert len({one.places for one in found}) == len(found)
    assert [one.places for one in found] == sorted(one.places for one in found)
    for target in found[-1:]:
        heat = explained(network, score, batch_for(network, 1), "grad-cam", layer=target.layer)
        assert heat.layer == target.layer and heat.maps.shape == (1, *target.places)
