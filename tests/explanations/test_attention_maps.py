"""Attention as maps: the class token's row on the grid, rollout and relevance against products written out."""

import numpy as np
import pytest
import torch
from torch import nn

from attending import SHAPE, batch_for, logit, open_attending, open_own, open_timm, timm
from boda.encoders.network import Network
from boda.errors import Refused
from boda.explanations.attention import BLIND, attentions, head_maps, mean_attention, weighted_attention
from boda.explanations.attention_hearing import hearing
from boda.explanations.attention_tokens import AVERAGED, POOLED
from boda.explanations.rollout import relevance, rollout
from boda.explanations.score import Score


def heard_of(network, batch) -> list[np.ndarray]:
    """(n, heads, t, t) of each layer."""
    with hearing(network) as said:
        network.logits(batch)
    return [one.weights.numpy() for one in said]


@pytest.mark.parametrize("registers", [0, 4])
def test_a_map_is_the_class_tokens_row_without_tokens_of_no_place(registers):
    """Three rows of five places; with what goes elsewhere it adds up to 1."""
    network = open_timm(reg_tokens=registers)
    batch = batch_for(network)
    found = attentions(network, logit(), batch)
    assert [one.layer for one in found] == ["blocks.0.attn", "blocks.1.attn", "blocks.2.attn"]
    for one, weights in zip(found, heard_of(network, batch), strict=True):
        np.testing.assert_allclose(one.maps, weights[:, :, 0, 1 + registers :].reshape(3, 2, 3, 5), rtol=1e-6)
        np.testing.assert_allclose(one.maps.sum(axis=(2, 3)) + one.elsewhere, 1, rtol=1e-5)
        assert one.notes == (BLIND,)
    np.testing.assert_allclose(found[0].scores, network.logits(batch)[:, 3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("arguments", [{"name": "test_vit2"}, {"global_pool": "avg"}])
def test_where_places_are_averaged_their_rows_are(arguments):
    """Also of a network with a class token that nothing reads; the notes say so."""
    network = open_timm(**arguments)
    batch = batch_for(network)
    last = attentions(network, logit(), batch)[-1]
    weights = heard_of(network, batch)[-1]
    np.testing.assert_allclose(last.maps, weights[:, :, 1:, 1:].mean(2).reshape(3, 2, 3, 5), rtol=1e-5)
    assert last.notes == (BLIND, AVERAGED)


def test_a_score_of_a_layer_before_is_read_as_that_layer_is():
    """Features averaged over the places of an early block are not the class token's, and later layers are not heard."""
    import dataclasses

    network = open_timm()
    network = dataclasses.replace(network, part=network.anatomy.part("blocks.1", "mean"))
    from boda.encoders.layers import tap

    tap(network.module, "blocks.1")
    score = Score("unit:3", "unit 3", "unit", lambda rows: rows[:, 3])
    found = attentions(network, score, batch_for(network))
    assert [one.layer for one in found] == ["blocks.0.attn", "blocks.1.attn"]
    assert found[0].notes == (BLIND, AVERAGED)


def test_where_attention_pools_the_last_map_is_the_poolings():
    """timm's `map` pooling: one query of no place."""
    network = open_timm("test_vit3")
    batch = batch_for(network)
    last = attentions(network, logit(), batch)[-1]
    weights = heard_of(network, batch)[-1]
    assert weights.shape == (3, 3, 1, 16) and last.layer == "attn_pool"
    np.testing.assert_allclose(last.maps, weights[:, :, 0, 1:].reshape(3, 3, 3, 5), rtol=1e-6)
    assert last.notes == (BLIND, POOLED)


def test_means_and_weighted_sums_are_numpys():
    """Over heads, and over layers and heads."""
    network = open_timm()
    found = attentions(network, logit(), batch_for(network))
    mean = mean_attention(found[-1])
    np.testing.assert_allclose(mean.maps, found[-1].maps.mean(1), rtol=1e-6)
    assert (mean.layer, mean.notes, mean.signed) == ("blocks.2.attn", (BLIND,), False)
    heads = head_maps(found[1])
    np.testing.assert_array_equal(np.stack([one.maps for one in heads], 1), found[1].maps)
    assert [one.method for one in heads] == ["attention, head 0", "attention, head 1"]
    weights = np.random.default_rng(0).normal(size=(3, 2))
    summed = weighted_attention(found, weights)
    expected = sum(weights[i, j] * found[i].maps[:, j] for i in range(3) for j in range(2))
    np.testing.assert_allclose(summed.maps, expected, rtol=1e-4, atol=1e-7)
    assert summed.signed and summed.notes == (BLIND,) and summed.layer == "blocks.0.attn to blocks.2.attn"
    only_last = np.array([[0, 0], [0, 0], [0.5, 0.5]])
    np.testing.assert_allclose(weighted_attention(found, only_last).maps, mean.maps, rtol=1e-6)
    for wrong in (np.ones((2, 2)), np.full((3, 2), np.nan)):
        with pytest.raises(Refused, match=r"3 layers of 2 heads"):
            weighted_attention(found, wrong)


@pytest.mark.parametrize("arguments", [{"reg_tokens": 2}, {"name": "test_vit2"}, {"name": "test_vit3"}])
def test_rollout_is_the_product_written_out(arguments):
    """Matrix by matrix, image by image."""
    network = open_timm(**arguments)
    batch = batch_for(network)
    found = rollout(network, logit(), batch, at_once=2)
    layers = heard_of(network, batch)
    for image in range(3):
        product = np.eye(layers[0].shape[-1])
        for weights in layers:
            mean = weights[image].mean(0).astype(float)
            pooling = mean.shape[0] == 1
            product = (mean if pooling else 0.5 * (mean + np.eye(len(mean)))) @ product
        prefix = product.shape[1] - 15
        row = product[0] if pooling or "reg_tokens" in arguments else product[prefix:].mean(0)
        np.testing.assert_allclose(found.maps[image], row[prefix:].reshape(3, 5), rtol=1e-4)
    assert found.notes[0] == BLIND and not found.signed


@pytest.mark.parametrize("arguments", [{"reg_tokens": 2}, {"name": "test_vit2"}])
def test_relevance_is_equations_5_and_6_written_out(arguments):
    """With gradients through the whole of timm's own unfused network."""
    network = open_timm(**arguments)
    batch = batch_for(network)
    found = relevance(network, logit(), batch)
    kept = []
    for block in network.module.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda part, given, made: kept.append(made))
    value = network.logits(batch.clone().requires_grad_())[:, 3].sum()
    slopes = torch.autograd.grad(value, kept)
    tokens = kept[0].shape[-1]
    for image in range(3):
        carried = torch.eye(tokens)
        for weights, slope in zip(kept, slopes, strict=True):
            carried = carried + (slope[image] * weights[image].detach()).clamp(min=0).mean(0) @ carried
        row = carried[0] if "reg_tokens" in arguments else carried[tokens - 15 :].mean(0)
        expected = row[tokens - 15 :].reshape(3, 5).numpy()
        np.testing.assert_allclose(found.maps[image], expected, rtol=1e-3, atol=1e-4 * expected.max())
    assert found.maps.max() > 0 and BLIND not in found.notes


def test_relevance_differs_between_classes_and_attention_does_not():
    """Which is what its notes say."""
    network = open_timm()
    batch = batch_for(network)
    one, other = (relevance(network, logit(index), batch).maps for index in (0, 1))
    assert min(np.abs(a / a.max() - b / b.max()).max() for a, b in zip(one, other, strict=True)) > 0.05
    np.testing.assert_array_equal(*(rollout(network, logit(index), batch).maps for index in (0, 1)))
    np.testing.assert_array_equal(*(attentions(network, logit(index), batch)[-1].maps for index in (0, 1)))


@pytest.mark.parametrize("flat", [False, True])
def test_images_alone_and_together_have_the_same_maps(flat):
    """One by one, two at once, all three; also where heads and images share an axis."""
    network = open_own("flat heads") if flat else open_timm(reg_tokens=1)
    batch = batch_for(network)
    for method in (rollout, relevance, lambda *given, **more: mean_attention(attentions(*given, **more)[-1])):
        together = method(network, logit(), batch)
        assert together.maps.shape == (3, 3, 5) and together.maps.max() > 0
        np.testing.assert_allclose(method(network, logit(), batch, at_once=2).maps, together.maps, rtol=1e-4, atol=1e-7)
        for image in range(3):
            alone = method(network, logit(), batch[image : image + 1])
            np.testing.assert_allclose(alone.maps[0], together.maps[image], rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(alone.scores, together.scores[image : image + 1], rtol=1e-4, atol=1e-6)


class Seeks(nn.Module):
    """A class token that looks for bright patches, and one number that is the brightness it saw."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        bright = nn.functional.avg_pool2d(batch.mean(1, keepdim=True), 16).flatten(2).transpose(1, 2)
        keys = torch.cat([torch.zeros(len(batch), 1, 1), bright], dim=1)[:, None]
        return nn.functional.scaled_dot_product_attention(torch.ones_like(keys), keys, keys, scale=3.0)[:, 0, 0]


@pytest.mark.parametrize("place", [(0, 4), (2, 1)])
def test_a_planted_patch_is_found(place):
    """In a network whose class token looks for bright patches, by every map."""
    network = open_attending(Network(Seeks(), lambda module, batch: module(batch), prefix_tokens=1, class_token=True))
    pixels = np.full((2, *SHAPE, 3), 60, dtype=np.uint8)
    y, x = place
    pixels[:, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = 250
    score = Score("bright", "bright", "brightness", lambda rows: rows[:, 0])
    batch = network.door(pixels)
    maps = (
        mean_attention(attentions(network, score, batch)[-1]),
        rollout(network, score, batch),
        relevance(network, score, batch),
    )
    for heat in maps:
        assert np.unravel_index(heat.maps[1].argmax(), (3, 5)) == place


def test_the_whole_way_from_an_encoder(open_network):
    """timm's test_vit as the registry loads it: 10 x 10 places of the 160 x 160 pixels it sees."""
    network = open_network("timm:test_vit")
    batch = batch_for(network, 2)
    assert attentions(network, logit(), batch)[-1].maps.shape == (2, 2, 10, 10)
    found = relevance(network, logit(), batch)
    assert found.maps.shape == (2, 10, 10) and found.at(network.shape).shape == (2, 160, 160)


def swin():
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=56, embed_dim=16, depths=(2, 2), num_heads=(1, 2), num_classes=5
    )
    return open_attending(Network(model, lambda module, batch: module(batch)), (56, 56))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: open_timm("test_resnet", img_size=None, depth=None), "nothing in it attends.*convolutional"),
        (swin, "layer layers.0.blocks.0.attn attends inside windows"),
        (lambda: open_timm(attn_layer="diff"), "layer blocks.0.attn attends 2 times"),
        (lambda: open_timm("test_vit3", pool_include_prefix=False), "attend over 16, then 15 tokens"),
        (lambda: open_attending(Network(open_timm().module, lambda one, batch: one(batch))), "16 tokens.*no grid"),
    ],
    ids=["cnn", "windows", "differences", "tokens that change", "unknown tokens"],
)
def test_networks_whose_attention_is_no_map_are_refused(make, why):
    """With the reason, and what to use instead."""
    network = make()
    for method in (attentions, rollout, relevance):
        with pytest.raises(Refused, match=f"{why}.*use grad-cam"):
            method(network, logit(), batch_for(network))


def test_a_score_without_gradients_has_rollout_only():
    """Votes of neighbours: relevance says what to use."""
    network = open_timm()
    score = Score("votes", "votes", "votes", lambda rows: (rows.detach()[:, 0] > 0).float(), "logits")
    assert rollout(network, score, batch_for(network)).maps.shape == (3, 3, 5)
    with pytest.raises(Refused, match="no gradient at the attention: use rollout"):
        relevance(network, score, batch_for(network))
