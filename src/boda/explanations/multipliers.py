"""DeepLIFT's multipliers: for each operation that bends, a straight one through the same two points.

An operation f that was given x in one passage and b in the other is replaced by a linear one, l, with
l(x) - l(b) = f(x) - f(b), exactly. Gradients through a network of such operations, times image less baseline, then add
up to the difference of the scores, whatever there is between. What is linear already stays as it is.

    of one value           its secant: the rescale rule of Shrikumar et al., ICML 2017, arXiv:1704.02685
    products               each factor times the mean of the other: attention, squeeze and excite, gates
    softmax, norms         taken apart into exp, sum, square, root, and products; each by the rules above
    largest of a window    the difference goes to where the larger of both passages has its largest, to several places
                           in equal shares (behind a baseline of one colour all of a window are equally large)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from boda.errors import Refused
from boda.explanations.passage import Call, word
from boda.explanations.pool_windows import taken, windows

Multiplier: TypeAlias = Callable[[Call, Call, Tensor, Mapping[int, Tensor]], Mapping[int, Tensor]]
"""(call, its twin of the baseline, multipliers of what it gave, ordinary gradients of what it was given by slot) to
multipliers of what it was given by slot."""

_LEVEL = 1e-7
"""Two values that differ by less than this share have the tangent for their secant."""


def secant(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of an operation on one value at a time, in double precision: differences of near values cancel."""
    (slot,) = _only(call)
    x, b = call.tensor(slot).double(), twin.tensor(slot).double()
    rise = call.again({slot: x}, dtype=torch.float64) - twin.again({slot: b}, dtype=torch.float64)
    run = x - b
    if rise.shape != run.shape:
        raise Refused(f"{call.word} of {tuple(run.shape)} gives {tuple(rise.shape)}, not one value for each")
    far = run.abs() > _LEVEL * (1 + torch.maximum(x.abs(), b.abs()))
    slope = rise / torch.where(far, run, 1.0)
    return {slot: torch.where(far, above * slope.to(above), ordinary[slot])}


def midpoint(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of an operation of degree two: its gradient half way, which is exact."""
    del ordinary
    halves = {slot: (call.tensor(slot) + twin.tensor(slot)) / 2 for slot in call.followed}
    return _pulled(halves, call.again, above)


def quotient(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of x / y: the product of x and the reciprocal of y; linear where y is the same for both."""
    if "rounding_mode" in call.options:
        raise Refused("div with rounding has no multiplier")
    if 1 not in call.followed:
        return ordinary
    x, y, b, c = call.tensor(0), call.tensor(1), twin.tensor(0), twin.tensor(1)

    def line(given: Mapping[int, Tensor]) -> Tensor:
        turned = (x + b) / 2 * -given[1] / (y * c)
        return turned + given[0] * (1 / y + 1 / c) / 2 if 0 in given else turned

    return _straight(call, line, above)


def softmax(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of exp(x - log sum exp x)."""
    del ordinary
    x, b, axis = call.tensor(0).double(), twin.tensor(0).double(), call.arguments[1]
    shares = _mean_exp(x.log_softmax(axis), b.log_softmax(axis)).to(above)
    return _straight(call, lambda given: shares * (given[0] - _log_sum(given[0], x, b, axis)), above)


def log_softmax(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of x - log sum exp x."""
    del ordinary
    x, b, axis = call.tensor(0).double(), twin.tensor(0).double(), call.arguments[1]
    return _straight(call, lambda given: given[0] - _log_sum(given[0], x, b, axis), above)


def log_sum_exp(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of log sum exp x over some axes."""
    del ordinary
    x, b = call.tensor(0).double(), twin.tensor(0).double()
    _, axes, *kept = call.arguments
    axes = axes if isinstance(axes, Sequence) else [axes]
    if len(axes) != 1:
        raise Refused("logsumexp over several axes has no multiplier: take one after the other")

    def line(given: Mapping[int, Tensor]) -> Tensor:
        found = _log_sum(given[0], x, b, axes[0])
        return found if any(kept) else found.squeeze(axes[0])

    return _straight(call, line, above)


def layer_norm(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Over the last axes; weights stay outside."""
    del ordinary
    _, shape, weight, _, eps = call.arguments
    x, b = (one.tensor(0).flatten(-len(shape)) for one in (call, twin))

    def line(given: Mapping[int, Tensor]) -> Tensor:
        made = _standardised(given[0].flatten(-len(shape)), x, b, eps).reshape(given[0].shape)
        return made if weight is None else made * weight

    _only(call)
    return _straight(call, line, above)


def group_norm(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Over groups of channels; weights stay outside."""
    del ordinary
    _, weight, _, n, c, _, groups, eps = call.arguments
    x, b = (one.tensor(0).reshape(n, groups, -1) for one in (call, twin))

    def line(given: Mapping[int, Tensor]) -> Tensor:
        made = _standardised(given[0].reshape(n, groups, -1), x, b, eps).reshape(given[0].shape)
        return made if weight is None else made * weight.reshape(1, c, *[1] * (made.ndim - 2))

    _only(call)
    return _straight(call, line, above)


def vector_norm(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of the root of a sum of squares."""
    del ordinary
    order, axes, kept = (*call.arguments[1:], *(2, None, False)[len(call.arguments) - 1 :])[:3]
    if order != 2:
        raise Refused(f"a norm of order {order} has no multiplier")
    x, b = call.tensor(0), twin.tensor(0)
    both = torch.linalg.vector_norm(x, 2, axes, kept) + torch.linalg.vector_norm(b, 2, axes, kept)

    def line(given: Mapping[int, Tensor]) -> Tensor:
        squares = (x + b) * given[0]
        added = squares.sum() if axes is None else squares.sum(axes, keepdim=kept)
        return torch.where(both > 0, added / torch.where(both > 0, both, 1.0), 0.0)

    return _straight(call, line, above)


def largest(call: Call, twin: Call, above: Tensor, ordinary: Mapping[int, Tensor]) -> Mapping[int, Tensor]:
    """Of the largest in a window; places that are equally large share, so that no corner of it goes first."""
    del ordinary
    x, b = call.tensor(0), twin.tensor(0)
    (high, _), (low, _) = (one.again({}) for one in (call, twin))
    places = windows(call, (high.shape[-2], high.shape[-1]))
    shares = _shares([(taken(x, place, -torch.inf), taken(b, place, -torch.inf)) for place in places], high, low)

    def line(given: Mapping[int, Tensor]) -> Tensor:
        parts = [share * taken(given[0], place, 0.0) for share, place in zip(shares, places, strict=True)]
        return torch.stack(parts).sum(dim=0)

    return _straight(call, line, above)


def _shares(seen: Sequence[tuple[Tensor, Tensor]], high: Tensor, low: Tensor) -> list[Tensor]:
    """What each place of the windows is multiplied by, (..., y, x); times what it rose itself, they add up to the rise.

    A rise goes to those of the places that have the largest of the image, a fall to those that have the baseline's;
    and the slope where nothing changed to those that have both.

    Args:
        seen: of each place (..., y, x) of the image and of the baseline.
        high: (..., y, x) the largest of the image.
        low: of the baseline.
    """
    rise = high - low
    chosen = [((x == high) | (rise < 0)) & ((b == low) | (rise > 0)) for x, b in seen]
    count = torch.stack(chosen).sum(dim=0).clamp(min=1)
    runs = [torch.where(one & (rise != 0), x - b, 1.0) for one, (x, b) in zip(chosen, seen, strict=True)]
    whole = torch.where(rise == 0, 1.0, rise) / count
    return [torch.where(one, whole / run, 0.0) for one, run in zip(chosen, runs, strict=True)]


def _standardised(given: Tensor, x: Tensor, b: Tensor, eps: float) -> Tensor:
    """The line through (value - mean) / sqrt(variance + eps), over the last axis."""
    x, b, given = (one - one.mean(-1, keepdim=True) for one in (x, b, given))
    root, start = (torch.rsqrt(one.square().mean(-1, keepdim=True) + eps) for one in (x, b))
    variance = ((x + b) * given).mean(-1, keepdim=True)
    return given * (root + start) / 2 - (x + b) / 2 * variance * (root * start) ** 2 / (root + start)


def _log_sum(given: Tensor, x: Tensor, b: Tensor, axis: int) -> Tensor:
    """The line through log sum exp; what all values of a row have in common goes through as it is."""
    there = torch.isfinite(x) & torch.isfinite(b)  # elsewhere a mask hides a value
    count = there.sum(axis, keepdim=True)
    mean = torch.where(there, given, 0.0).sum(axis, keepdim=True) / count
    x, b = (one - torch.where(there, one, 0.0).sum(axis, keepdim=True) / count for one in (x, b))
    whole = _log_mean(x.logsumexp(axis, keepdim=True), b.logsumexp(axis, keepdim=True))
    weights = torch.exp(_log_mean(x, b) - whole).to(given)
    return mean + (weights * torch.where(there, given - mean, 0.0)).sum(axis, keepdim=True)


def _mean_exp(x: Tensor, b: Tensor) -> Tensor:
    """The secant of exp."""
    return torch.exp(_log_mean(x, b))


def _log_mean(x: Tensor, b: Tensor) -> Tensor:
    """The logarithm of the secant of exp, however far apart and small both are."""
    apart = torch.where(x == b, 0.0, (x - b).abs())
    shrunk = torch.where(apart > 0, -torch.expm1(-apart) / torch.where(apart > 0, apart, 1.0), 1.0)
    return torch.maximum(x, b) + shrunk.log()


def _straight(call: Call, line: Callable[[Mapping[int, Tensor]], Tensor], above: Tensor) -> Mapping[int, Tensor]:
    """The gradients of a linear function, which are the same everywhere."""
    return _pulled({slot: torch.zeros_like(call.tensor(slot)) for slot in call.followed}, line, above)


def _pulled(
    given: Mapping[int, Tensor], made: Callable[[Mapping[int, Tensor]], Tensor], above: Tensor
) -> Mapping[int, Tensor]:
    """The gradients of a function where it is given this."""
    with torch.enable_grad():
        leaves = {slot: one.detach().requires_grad_() for slot, one in given.items()}
        found = torch.autograd.grad(made(leaves), list(leaves.values()), above)
    return dict(zip(leaves, found, strict=True))


def _only(call: Call) -> tuple[int, ...]:
    if len(call.followed) != 1:
        raise Refused(f"{call.word} with more than one input that depends on the pixels has no multiplier")
    return call.followed


def _words(names: str) -> frozenset[str]:
    return frozenset(word(name) for name in names.split())


PRODUCTS = _words("mul mm bmm addmm baddbmm addbmm mv dot addmv addcmul convolution")
"""Linear as long as one factor depends on the pixels."""

MULTIPLIERS: Mapping[str, Multiplier] = {
    **dict.fromkeys(
        _words(
            "relu leaky_relu _prelu_kernel elu celu gelu silu mish softplus hardswish hardsigmoid hardtanh hardshrink "
            "softshrink threshold sigmoid tanh exp exp2 expm1 log log1p log2 log10 sqrt rsqrt reciprocal pow square "
            "abs erf sin cos atan clamp clamp_min clamp_max"
        ),
        secant,
    ),
    **dict.fromkeys(PRODUCTS | _words("var"), midpoint),
    **dict.fromkeys(_words("max_pool2d_with_indices adaptive_max_pool2d"), largest),
    **dict.fromkeys(_words("_softmax _safe_softmax"), softmax),
    word("div"): quotient,
    word("_log_softmax"): log_softmax,
    word("logsumexp"): log_sum_exp,
    word("native_layer_norm"): layer_norm,
    word("native_group_norm"): group_norm,
    word("linalg_vector_norm"): vector_norm,
}

BATCH_NORMS = _words("native_batch_norm cudnn_batch_norm miopen_batch_norm")
"""Linear in eval mode; whether they are in training is their sixth argument."""

LINEAR = BATCH_NORMS | _words(
    "add sub rsub neg sum mean cumsum where masked_fill lift alias clone copy _to_copy contiguous view _unsafe_view "
    "_reshape_alias reshape as_strided expand repeat squeeze unsqueeze permute transpose t flip roll rot90 slice "
    "select narrow split split_with_sizes unsafe_split unbind unsafe_chunk cat stack index index_select gather "
    "diagonal unfold im2col col2im tril triu pixel_shuffle pixel_unshuffle channel_shuffle constant_pad_nd "
    "reflection_pad2d replication_pad2d avg_pool2d _adaptive_avg_pool2d upsample_nearest2d upsample_bilinear2d "
    "upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa select_backward slice_backward select_scatter "
    "slice_scatter zero"
)
"""Linear in all that depends on the pixels, but for a constant; their gradients are their multipliers."""
