"""A passage: every operation of torch that a batch goes through on its way to a score, one by one.

It listens below autograd, where modules, functions and methods, in place or not, have all become the same few dozen
operations, and each that depends on the pixels has just made its node of the graph. Two passages of one network, of
images and of their baselines, are compared operation by operation: whatever is not followed by gradients must be the
same in both, or the score depends on the pixels in a way that no gradient shows.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils._python_dispatch import TorchDispatchMode

from boda.errors import Refused

_NODE = re.compile(r"Backwards?\d*$")


@dataclass(frozen=True, eq=False)
class Call:
    """One operation, and what it was given."""

    operation: Any
    word: str
    """Its name as `word` writes it."""
    arguments: tuple[Any, ...]
    """By place; those that gradients follow as copies, which later operations in place cannot change, or as None where
    nobody will need them."""
    options: Mapping[str, Any]
    slots: tuple[int, ...]
    """Which arguments are tensors, by the operation's own signature: what its node has edges for, in this order."""
    followed: tuple[int, ...]
    """Which of the slots gradients follow."""

    def tensor(self, slot: int) -> Tensor:
        """What it was given there."""
        given: Tensor = self.arguments[self.slots[slot]]
        return given

    def again(self, tensors: Mapping[int, Tensor], *, dtype: torch.dtype | None = None) -> Any:
        """What it gives with other tensors in some slots, all in another precision where one is named."""
        arguments = list(self.arguments)
        for slot, tensor in tensors.items():
            arguments[self.slots[slot]] = tensor
        if dtype is not None:
            arguments = [one.to(dtype) if _is_real(one) else one for one in arguments]
        if self.operation._schema.is_mutable:  # what works in place works on a copy
            arguments[0] = arguments[0].clone()
        return self.operation(*arguments, **self.options)


class Passage(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Listens while it is entered; `calls_of` finds the operation behind a node afterwards."""

    def __init__(self, *, keep: Container[str], own: Iterable[Tensor], first: "Passage | None" = None) -> None:
        """Nothing heard yet.

        Args:
            keep: words of operations whose tensors will be needed.
            own: weights, which no passage changes.
            first: the passage that this one must agree with.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._keep, self._own, self._first = keep, {id(one) for one in own}, first
        self._calls: list[Call] = []
        self._constants: list[list[Any]] = []
        self._last: list[int] = []
        self._places: dict[tuple[int, str], int] = {}

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note one operation, then do it."""
        kwargs = kwargs or {}
        given = list(_leaves((args, kwargs)))
        if torch.is_grad_enabled() and any(_is_followed(one) for one in given):
            self._note(func, args, kwargs, given)
        return func(*args, **kwargs)

    def calls_of(self, node: Node) -> tuple[Call, Call] | None:
        """The operation that made a node, in this passage and in the first; None: none did."""
        place = self._places.get((node._sequence_nr(), word(node.name())))
        if place is None or self._first is None:
            return None
        return self._calls[place], self._first._calls[place]

    def must_end(self) -> None:
        """Raise `Refused` unless the first passage ended here too."""
        if self._first is not None and len(self._calls) != len(self._first._calls):
            raise Refused(_ANOTHER_WAY)

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Any]) -> None:
        name = word(func.overloadpacket.__name__)
        slots = tuple(i for i, one in enumerate(func._schema.arguments[: len(args)]) if "Tensor" in str(one.type))
        followed = tuple(slot for slot, i in enumerate(slots) if _is_followed(args[i]))
        arguments = tuple(
            (one.detach().clone() if name in self._keep else None) if _is_followed(one) else one for one in args
        )
        place = len(self._calls)
        self._calls.append(Call(func, name, arguments, kwargs, slots, followed))
        self._last.append(torch._C._autograd._get_sequence_nr() - 1)
        self._constants.append([self._constant(one) for one in given])
        self._places.setdefault((self._node(func), name), place)
        if self._first is not None:
            if place >= len(self._first._calls) or self._first._calls[place].operation is not func:
                raise Refused(_ANOTHER_WAY)
            pairs = zip(self._constants[place], self._first._constants[place], strict=True)
            if not all(_same(one, other) for one, other in pairs):
                raise Refused(f"{name} takes something that differs between image and baseline and has no gradient")

    def _node(self, func: Any) -> int:
        """The number of the node of the last call.

        It is the last that was made; but before it works in place on what its node must keep, autograd clones that.
        """
        number = self._last[-1]
        for call, last in zip(self._calls[-2::-1], self._last[-2::-1], strict=True):
            if not func._schema.is_mutable or call.word != "clone" or last != number:
                break
            number -= 1
        return number

    def _constant(self, one: Any) -> Any:
        if not isinstance(one, Tensor):
            return one
        if _is_followed(one):
            return one.shape
        return one if id(one) in self._own else one.detach().clone()


def word(name: str) -> str:
    """One spelling for an operation and for its node: `relu_`, `ReluBackward0` to `relu`."""
    return _NODE.sub("", name).replace("_", "").lower()


def nodes_of(end: Node) -> Iterator[Node]:
    """All nodes of a graph."""
    seen, waiting = {end}, [end]
    while waiting:
        node = waiting.pop()
        yield node
        new = {one for one, _ in node.next_functions if one is not None} - seen
        seen |= new
        waiting += new


_ANOTHER_WAY = "the network takes another way for the baseline than for the image"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _is_followed(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    return bool(one == other)
