"""Hearing attention: what is heard is what the network computes, by whatever call, and nothing is left behind."""

import pytest
import torch
from torch import nn

from attending import batch_for, open_attending, open_own, open_timm
from boda.encoders.network import Network
from boda.errors import Refused
from boda.explanations.attention_hearing import hearing

WAYS = [
    "many", "many, weights used", "many, tokens first", "fused", "fused, all keys let through", "two steps", "flat heads",
]  # fmt: skip
KINDS = {
    "class token, registers": {"reg_tokens": 4},
    "averaged": {"name": "test_vit2"},
    "pooled by attention": {"name": "test_vit3"},
    "normed queries": {"qk_norm": True},
    "two steps": {},
}


def of_kind(kind: str):
    network = open_timm(**KINDS[kind])
    if kind == "two steps":
        for block in network.module.blocks:
            block.attn.fused_attn = False
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_inside_the_network_gives_what_it_gives_outside(kind):
    """To 1e-5; and every row of weights of every layer and head adds up to 1."""
    network = of_kind(kind)
    batch = batch_for(network)
    with torch.no_grad():
        outside = network.logits(batch)
    with hearing(network) as said:
        inside = network.logits(batch)
    torch.testing.assert_close(inside, outside, atol=1e-5, rtol=0)
    pooling = kind == "pooled by attention"
    assert [one.layer for one in said] == [f"blocks.{i}.attn" for i in range(3)] + ["attn_pool"] * pooling
    for one in said:
        assert one.weights.min() >= 0 and one.weights.ndim == 4 and len(one.weights) == 3
        torch.testing.assert_close(one.weights.sum(-1), torch.ones_like(one.weights[..., 0]))
        assert one.weights.amax() > 2 / one.weights.shape[-1]


@pytest.mark.parametrize("kind", ["class token, registers", "two steps"])
def test_what_is_heard_is_the_softmax_of_queries_times_keys(kind):
    """Worked out by hand from the weights of the layer and what went into it."""
    network = of_kind(kind)
    entered = []
    hooks = [
        block.attn.register_forward_pre_hook(lambda part, given: entered.append(given[0]))
        for block in network.module.blocks
    ]
    with hearing(network) as said:
        network.logits(batch_for(network))
    for hook in hooks:
        hook.remove()
    for block, tokens, one in zip(network.module.blocks, entered, said, strict=True):
        both = tokens @ block.attn.qkv.weight.T + block.attn.qkv.bias
        query, key = both[..., :64].unflatten(2, (2, 32)), both[..., 64:128].unflatten(2, (2, 32))
        products = torch.einsum("nqhd,nkhd->nhqk", query, key) / 32**0.5
        torch.testing.assert_close(one.weights, products.softmax(-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("way", WAYS[1:])
def test_however_it_is_computed_the_same_is_heard(way):
    """`nn.MultiheadAttention` with tokens or images first, the fused kernel with and without a mask, two steps."""
    first, other = open_own(WAYS[0]), open_own(way)
    heard = []
    for network in (first, other):
        with torch.no_grad():
            outside = network.features(batch_for(network))
        with hearing(network) as said:
            inside = network.features(batch_for(network))
        torch.testing.assert_close(inside, outside, atol=1e-5, rtol=1e-5)
        (one,) = said
        heard.append(one.weights.reshape(3, 2, 16, 16))
    torch.testing.assert_close(heard[1], heard[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"enable_gqa": True}, {"is_causal": True}, {"scale": 0.7}, {"attn_mask": torch.linspace(-2, 2, 9).view(3, 3)}],
    ids=str,
)
def test_every_option_of_the_fused_step_is_kept(options):
    """Fewer keys than queries, tokens before only, another scale, an offset: the same output in two steps."""

    class Fused(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            query = batch.reshape(len(batch), 4, 3, -1)[..., :8]
            key = query[:, :2] if "enable_gqa" in options else query
            return nn.functional.scaled_dot_product_attention(query, key, key, **options).flatten(1)

    network = open_attending(Network(Fused(), lambda module, batch: module(batch)))
    batch = batch_for(network)
    with hearing(network) as said:
        inside = network.features(batch)
    torch.testing.assert_close(inside, network.features(batch), atol=1e-5, rtol=1e-5)
    assert [one.weights.shape for one in said] == [(3, 4, 3, 3)]


def test_open_clips_towers_are_heard():
    """As `nn.MultiheadAttention` itself gives weights where it is asked for them."""
    open_clip = pytest.importorskip("open_clip")
    from boda.encoders.open_clip_models import _network

    torch.manual_seed(0)
    tower = {"image_size": (32, 48), "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    words = {"context_length": 4, "vocab_size": 20, "width": 32, "heads": 2, "layers": 1}
    network = open_attending(_network(open_clip.CLIP(24, tower, words).visual), (32, 48))
    batch = batch_for(network)
    with hearing(network) as said:
        inside = network.features(batch)
    entered = []
    blocks = network.module.transformer.resblocks
    hooks = [one.ln_1.register_forward_hook(lambda part, given, made: entered.append(made)) for one in blocks]
    with torch.no_grad():
        torch.testing.assert_close(inside, network.features(batch), atol=1e-5, rtol=0)
        for hook in hooks:
            hook.remove()
        for block, tokens, one in zip(blocks, entered, said, strict=True):
            assert one.layer.endswith(".attn") and one.weights.shape == (3, 2, 7, 7)
            theirs = block.attn(tokens, tokens, tokens, average_attn_weights=False)[1]
            torch.testing.assert_close(one.weights, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_transformers_attention_is_heard(implementation):
    """As the library gives "attentions" where it is made eager; its setting is not touched."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    settings = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    model = transformers.ViTModel(transformers.ViTConfig(**settings, image_size=(32, 48), patch_size=16)).eval()
    network = open_attending(
        Network(model, lambda module, batch: module(batch).pooler_output, prefix_tokens=1, class_token=True), (32, 48)
    )
    batch = batch_for(network)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        theirs = model(batch, output_attentions=True).attentions
    model.set_attn_implementation(implementation)
    with hearing(network) as said:
        network.features(batch)
    assert model.config._attn_implementation == implementation
    for one, other in zip(said, theirs, strict=True):
        torch.testing.assert_close(one.weights, other, atol=1e-6, rtol=1e-5)


def test_gradients_at_every_layer_need_no_gradients_of_weights():
    """They are those through the whole network; below the first attention nothing is kept."""
    network = of_kind("two steps")
    batch = batch_for(network)
    with hearing(network, with_leaf=True) as said:
        values = network.logits(batch)[:, 2]
    assert said[0].weights.is_leaf and not torch.is_inference(values)
    ours = torch.autograd.grad(values.sum(), [one.weights for one in said])
    kept = []
    hooks = [
        block.attn.attn_drop.register_forward_hook(lambda part, given, made: kept.append(made))
        for block in network.module.blocks
    ]
    whole = network.logits(batch.clone().requires_grad_())[:, 2]
    for hook in hooks:
        hook.remove()
    for one, other in zip(ours, torch.autograd.grad(whole.sum(), kept), strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


class Breaks(nn.Module):
    """Fails once it is armed."""

    armed = False

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.armed:
            raise KeyError("broken")
        return tokens


@pytest.mark.parametrize("with_leaf", [False, True])
def test_all_is_as_it_was_also_after_an_error(with_leaf):
    """Settings, hooks, gradients and modes; and calls outside are not heard."""
    network = open_timm()
    module, batch = network.module, batch_for(network)
    breaking = module.blocks[1].mlp.drop2 = Breaks()
    module.blocks[2].attn_drop = nn.Dropout().train()
    before = [(part.training, getattr(part, "fused_attn", None)) for part in module.modules()]
    with torch.no_grad():
        expected = network.logits(batch)
    breaking.armed = True
    with pytest.raises(KeyError, match="broken"), hearing(network, with_leaf=with_leaf) as said:
        network.logits(batch)
    assert len(said) == 2 and torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    breaking.armed = False
    assert [(part.training, getattr(part, "fused_attn", None)) for part in module.modules()] == before
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert not any(one.requires_grad for one in module.parameters())
    with torch.no_grad():
        assert torch.equal(network.logits(batch), expected)
    assert len(said) == 2


def test_a_caller_in_inference_mode_is_heard_with_gradients():
    """And is in inference mode afterwards."""
    network = open_timm()
    with torch.inference_mode():
        batch = batch_for(network)
        with hearing(network, with_leaf=True) as said:
            values = network.logits(batch.clone()).sum()
            slopes = torch.autograd.grad(values, [one.weights for one in said])
        assert torch.is_inference_mode_enabled()
    assert all(one.abs().max() > 0 for one in slopes)


def test_a_softmax_that_multiplies_nothing_is_no_attention():
    """The classes of a map, and what is mixed before it is used."""

    class Soft(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            shares = batch.softmax(dim=-1)
            return (shares - 0.5 * batch.softmax(dim=-1)).mean(1) @ torch.ones(batch.shape[-1], 2)

    network = open_attending(Network(Soft(), lambda module, batch: module(batch)))
    with hearing(network) as said:
        network.features(batch_for(network))
    assert said == []


def test_attention_under_a_mask_is_refused():
    """What `nn.MultiheadAttention` masks is no attention over an image."""

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(48, 2, batch_first=True)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            tokens = batch.flatten(2).unfold(2, 16, 16).mean(2)[:, :, :16].repeat(1, 1, 3)
            return self.attend(tokens, tokens, tokens, attn_mask=torch.zeros(3, 3))[0][:, 0]

    network = open_attending(Network(Masked(), lambda module, batch: module(batch)))
    with pytest.raises(Refused, match="layer attend attends under a mask"), hearing(network):
        network.features(batch_for(network))
