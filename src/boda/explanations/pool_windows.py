"""The windows of a pooling, place by place: what all windows see in their first corner, beside it, and so on."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from boda.explanations.passage import Call, word

Place: TypeAlias = tuple[Tensor, Tensor]
"""(y,) rows and (x,) columns of the input that windows of (y, x) outputs have at one of their places; where a window
has no such place, one behind the last."""

_ADAPTIVE = word("adaptive_max_pool2d")


def windows(call: Call, made: tuple[int, int]) -> list[Place]:
    """The places of the windows of a largest-of-a-window operation.

    Args:
        call: the operation.
        made: height and width of what it gave.
    """
    given = call.tensor(0)
    rows, columns = (_along(call, axis, given.shape[axis - 2], count) for axis, count in enumerate(made))
    return [(down.to(given.device), across.to(given.device)) for down in rows for across in columns]


def taken(given: Tensor, place: Place, outside: float) -> Tensor:
    """(..., y, x): what each window has of (..., h, w) at one place, `outside` where it has none."""
    rows, columns = place
    return pad(given, (0, 1, 0, 1), value=outside).index_select(-2, rows).index_select(-1, columns)


def _along(call: Call, axis: int, length: int, count: int) -> list[Tensor]:
    """Of each place along one axis, (count,) where the windows have it among `length`."""
    numbers = torch.arange(count)
    if call.word == _ADAPTIVE:
        starts, ends = numbers * length // count, ((numbers + 1) * length + count - 1) // count
        size, apart = int((ends - starts).max()), 1
    else:
        kernel, stride, padding, apart = (_of_axis(one, axis) for one in _settings(call))
        starts, ends, size = numbers * stride - padding, torch.full_like(numbers, length), kernel
    found = [starts + apart * one for one in range(size)]
    return [torch.where((one >= 0) & (one < ends), one, length) for one in found]


def _settings(call: Call) -> tuple[Sequence[int], ...]:
    """Kernel, stride, padding, dilation; those that were left out are torch's own."""
    _, kernel, *more = call.arguments
    stride, padding, dilation = (*more, *((), (0,), (1,))[len(more) :])[:3]
    return kernel, stride or kernel, padding, dilation


def _of_axis(values: Sequence[int], axis: int) -> int:
    return values[axis] if len(values) > 1 else values[0]
