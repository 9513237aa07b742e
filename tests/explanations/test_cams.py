"""Class activation maps: against Captum, against each other, and where they must be refused."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import chelsea, coffee

import boda
from boda.encoders.opened import opened
from boda.errors import Refused
from boda.explanations.cams import cam, grad_cam, grad_cam_plus_plus, layer_cam
from boda.explanations.score import Score
from boda.explanations.target_layer import target_layer, target_named

FAMILIES = ["timm:test_resnet", "timm:test_efficientnet", "timm:test_convnext", "timm:test_vit", "resnet:resnet20"]


def class_score(index: int = 3) -> Score:
    return Score(f"class:{index}", f"class {index}, logit", "logit", lambda logits: logits[:, index], "logits")


def batch_of(network, n: int = 3) -> torch.Tensor:
    return network.door(np.random.default_rng(0).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", FAMILIES)
def test_grad_cam_is_captums(open_network, name):
    """To 1e-5 of the largest value, at the layer that is found by itself."""
    attr = pytest.importorskip("captum.attr")
    network, score = open_network(name), class_score()
    target, batch = target_layer(network, score), batch_of(network)
    ours = grad_cam(network, score, batch, layer=target.layer, layout=target.layout).maps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gradients = attr.LayerGradCam(score.through(network), network.module.get_submodule(target.layer))
        if target.layout.kind == "channels first":
            theirs = gradients.attribute(batch, relu_attributions=True).detach().numpy()[:, 0]
        else:
            theirs = _tokens_by_hand(network, score, target, batch)
    assert ours.shape == theirs.shape == (3, *target.places)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())
    assert ours.max() > 0


def _tokens_by_hand(network, score, target, batch) -> np.ndarray:
    """Captum's Grad-CAM weighs the wrong axis of tokens; this is the definition, through all of the network."""
    kept = []
    hook = network.module.get_submodule(target.layer).register_forward_hook(
        lambda one, given, made: (made.requires_grad_(), made.retain_grad(), kept.append(made))[-1]
    )
    score.through(network)(batch.clone()).sum().backward()
    hook.remove()
    values, slopes = kept[0].detach(), kept[0].grad
    prefix = target.layout.prefix
    if target.layout.kind == "tokens":
        values, slopes = (one[:, prefix:].unflatten(1, target.places) for one in (values, slopes))
    return (slopes.mean(dim=(1, 2), keepdim=True) * values).sum(dim=3).relu().numpy()


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_efficientnet", "resnet:resnet20"])
def test_cam_is_grad_cam_times_the_number_of_places(open_network, name):
    """Behind global average pooling, where CAM is above 0; and with the classifier's offset it adds up to the score."""
    network, score = open_network(name), class_score()
    target, batch = target_layer(network, score), batch_of(network)
    found = {how: how(network, score, batch, layer=target.layer, layout=target.layout) for how in (cam, grad_cam)}
    count = target.places[0] * target.places[1]
    np.testing.assert_allclose(
        np.maximum(found[cam].maps, 0), count * found[grad_cam].maps, rtol=1e-4, atol=1e-5 * found[cam].maps.max()
    )
    offset = [part for part in network.module.modules() if isinstance(part, torch.nn.Linear)][-1].bias[3]
    np.testing.assert_allclose(found[cam].maps.mean(axis=(1, 2)) + float(offset), found[cam].scores, atol=1e-4)


def test_cam_is_refused_where_places_count_differently(open_network):
    """A class token is no average over places: the error says what CAM needs."""
    network, score = open_network("timm:test_vit"), class_score()
    target = target_layer(network, score)
    with pytest.raises(Refused, match="global average pooling"):
        cam(network, score, batch_of(network), layer=target.layer, layout=target.layout)


def test_grad_cam_plus_plus_is_equation_19(open_network):
    """By loops over places, from the paper."""
    network, score = open_network("resnet:resnet20"), class_score()
    target, batch = target_layer(network, score), batch_of(network, 1)
    found = grad_cam_plus_plus(network, score, batch, layer=target.layer, layout=target.layout).maps[0]
    values = network.module.forward_maps(batch)[0].double()
    weights = network.module.fc.weight[3].double()
    h, w = values.shape[1:]
    expected = torch.zeros(h, w, dtype=torch.float64)
    for channel in range(len(values)):
        slope = weights[channel] / (h * w)
        weight = 0.0
        for _ in range(h * w):
            below = 2 * slope**2 + values[channel].sum() * slope**3
            weight += float(slope**2 / below * max(slope, 0)) if below else 0.0
        expected += weight * values[channel]
    np.testing.assert_allclose(found, expected.relu().numpy(), rtol=1e-3, atol=1e-5)


def test_layer_cam_weighs_each_place_by_its_own_gradient(open_network):
    """One layer before the last, where gradients differ from place to place: not what Grad-CAM gives."""
    network, score = open_network("timm:test_resnet"), class_score()
    target, batch = target_named(network, "layer3"), batch_of(network)
    ours = layer_cam(network, score, batch, layer="layer3", layout=target.layout).maps
    kept = []
    hook = network.module.layer3.register_forward_hook(lambda one, given, made: kept.append(made))
    batch = batch.clone().requires_grad_()
    value = score.through(network)(batch).sum()
    hook.remove()
    (slopes,) = torch.autograd.grad(value, kept[0])
    np.testing.assert_allclose(ours, (slopes.relu() * kept[0]).sum(1).relu().detach().numpy(), atol=1e-6)
    assert not np.allclose(ours, grad_cam(network, score, batch, layer="layer3", layout=target.layout).maps)


def test_a_flipped_image_has_a_flipped_map():
    """On photographs and real weights: what a network has learned is nearly the same in a mirror (0.95 to 0.99)."""
    network = opened(boda.load_encoder("auto"))
    images = [Image.fromarray(one).resize((224, 224), Image.Resampling.BICUBIC) for one in (coffee(), chelsea())]
    batch = network.door(np.stack([np.asarray(one) for one in images]))
    with torch.no_grad():
        likeliest = network.logits(batch).argmax(1)
    assert [network.class_names[index] for index in likeliest] == ["espresso", "Egyptian cat"]
    score = Score("own", "its own class", "logit", lambda rows: rows.gather(1, likeliest[:, None])[:, 0], "logits")
    target = target_layer(network, score)
    there = grad_cam(network, score, batch, layer=target.layer, layout=target.layout).maps
    back = grad_cam(network, score, batch.flip(3), layer=target.layer, layout=target.layout).maps[:, :, ::-1]
    for one, other in zip(there, back, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


def test_a_score_of_features_has_a_map_too(open_network):
    """A likeness, which no classifier knows."""
    network = open_network("timm:test_vit")
    wanted = torch.randn(network.features(batch_of(network)).shape[1], generator=torch.Generator().manual_seed(1))
    score = Score("like:x", "like x", "cosine", lambda rows: torch.cosine_similarity(rows, wanted[None]))
    target = target_layer(network, score)
    found = grad_cam(network, score, batch_of(network), layer=target.layer, layout=target.layout)
    assert found.maps.max() > 0 and found.unit == "cosine"
