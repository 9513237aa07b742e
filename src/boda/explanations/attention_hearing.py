"""Hearing attention: the weights with which a network's tokens attend to each other, while a batch passes through.

Networks of today attend in one fused step that never holds the weights, so no hook can hear them and "attentions" are
None. While `hearing` lasts, that step is computed in two, and the weights are told in between; where it has two steps
already (a softmax whose result multiplies values) they are told there. This is done to the calls and not to the
network: its settings (`fused_attn`, `need_weights`, `attn_implementation`) are never touched, so there is nothing to
put back, and whatever library made it, it is heard in the same way.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused

_SOFTMAXES = {torch.softmax, torch.Tensor.softmax, functional.softmax}
_PRODUCTS = {torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm}
_UNKNOWN = ("attn_mask", "key_padding_mask", "bias_k", "bias_v", "static_k", "static_v")
"""What a call of torch's `multi_head_attention_forward` for images never has."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What one attention layer did."""

    layer: str
    """The module that attended, by its torch name."""
    weights: Tensor
    """As it computed them, after the softmax: (n, heads, queries, keys) where it attends over the image."""


@contextmanager
def hearing(opened: OpenNetwork, *, with_leaf: bool = False) -> Iterator[list[Heard]]:
    """A list that grows by every attention of `opened` in this thread, in the order of computing.

    Inside no gradients are kept: neither of weights nor of anything below the first attention.

    Args:
        opened: the network; one at a time.
        with_leaf: the first attention weights become a leaf, from which on gradients are kept, so that they can be
            taken at the weights of every layer. No others need any.

    Raises:
        Refused: a layer attends under a mask.
    """
    ear = _Ear(with_leaf=with_leaf)
    hooks = []
    try:
        for name, part in opened.module.named_modules():
            hooks.append(part.register_forward_pre_hook(ear.entering(name)))
            hooks.append(part.register_forward_hook(ear.leaving))
        with torch.inference_mode(mode=False), torch.no_grad(), ear:  # a leaf turns gradients on; leaving, they go back
            yield ear.heard
    finally:
        for hook in hooks:
            hook.remove()


class _Ear(TorchFunctionMode):
    """Sees every call of torch in this thread; lets all but attention through."""

    def __init__(self, *, with_leaf: bool) -> None:
        super().__init__()
        self.heard: list[Heard] = []
        self._with_leaf = with_leaf
        self._inside: list[str] = []
        self._softened: Tensor | None = None

    def entering(self, name: str) -> Callable[[torch.nn.Module, Any], None]:
        """As a hook before a module of this name."""
        return lambda part, given: self._inside.append(name)

    def leaving(self, part: torch.nn.Module, given: object, made: object) -> None:
        """As a hook behind a module."""
        self._inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call of torch; those made in here are not seen again."""
        kwargs = kwargs or {}
        if not self._inside:
            return func(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            return self._attend_with_projections(func, args, kwargs)
        if func in _PRODUCTS and self._softened is not None and args[0] is self._softened:
            return func(self._tell(args[0]), *args[1:], **kwargs)
        made = func(*args, **kwargs)
        if func in _SOFTMAXES and made.ndim > 2:
            self._softened = made  # dropout and casts that change nothing hand on the same tensor
        return made

    def _tell(self, weights: Tensor) -> Tensor:
        """These are attention weights; the network goes on with what is returned."""
        if self._with_leaf and not self.heard:
            torch.set_grad_enabled(True)
            weights = weights.detach().requires_grad_()
        self.heard.append(Heard(self._inside[-1], weights))
        self._softened = None
        return weights

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,  # noqa: FBT001, FBT002  as torch has it
        scale: float | None = None,
        enable_gqa: bool = False,  # noqa: FBT001, FBT002
    ) -> Tensor:
        """What `scaled_dot_product_attention` computes, as its documentation writes it out."""
        if enable_gqa:
            key, value = (one.repeat_interleave(query.shape[-3] // one.shape[-3], dim=-3) for one in (key, value))
        if is_causal:
            attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        products = query * (query.shape[-1] ** -0.5 if scale is None else scale) @ key.transpose(-2, -1)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            products = products.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            products = products + attn_mask
        weights = self._tell(products.softmax(dim=-1))
        return torch.dropout(weights, dropout_p, train=True) @ value

    def _attend_with_projections(self, func: Any, args: Any, kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """What `multi_head_attention_forward` computes, behind `nn.MultiheadAttention`: (t, n, d) in and out."""
        call = inspect.signature(func).bind(*args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        if given["add_zero_attn"] or given["query"].ndim != 3 or any(given[name] is not None for name in _UNKNOWN):
            raise Refused(f"layer {self._inside[-1]} attends under a mask or to keys of its own, not over an image")
        if given["use_separate_proj_weight"]:
            weights = [given[f"{one}_proj_weight"] for one in "qkv"]
        else:
            weights = given["in_proj_weight"].chunk(3)
        offsets = (None,) * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
        query, key, value = (
            functional.linear(given[name], weight, offset).unflatten(2, (given["num_heads"], -1)).permute(1, 2, 0, 3)  # type: ignore[no-untyped-call]
            for name, weight, offset in zip(("query", "key", "value"), weights, offsets, strict=True)
        )
        attended = self._attend(query, key, value, dropout_p=given["dropout_p"] if given["training"] else 0.0)
        made = functional.linear(
            attended.permute(2, 0, 1, 3).flatten(2), given["out_proj_weight"], given["out_proj_bias"]
        )
        told = self.heard[-1].weights
        shown = told.mean(dim=1) if given["average_attn_weights"] else told
        return made, shown if given["need_weights"] else None
