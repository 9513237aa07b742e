"""Layers: what the modules inside a network give, measured, and heard while a batch passes through.

A module is named as torch names it (`layer3`, `blocks.4.mlp`); `last` is the network's own last map, before its
pooling. Outputs are pooled the moment they are made, before anything after them can change them in place.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

LAST = "last"
"""The network's last map or sequence of tokens, before its own pooling."""

T = TypeVar("T")

_room = threading.local()
"""Who listens in this thread: several threads use one network at once."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One module, as one forward pass shows it."""

    name: str
    kind: str
    """Its type: "Conv2d"."""
    parameters: int
    """Numbers it holds, with all modules inside."""
    calls: int
    """How often it is called for one batch."""
    shape: tuple[int, ...] | None
    """Of its output for one image; None where that is no tensor with one row an image."""


class Enough(Exception):
    """Ends a forward pass early: no error, all that was asked for has been heard."""


class Hearing(Protocol):
    """Whoever listens to a pass."""

    def hear(self, name: str, output: Any) -> Any:
        """A layer gave this; what is returned goes on in its place."""
        ...


class Listener:
    """Hears the layers it wants; ends the pass with the last of them where nothing else is needed."""

    def __init__(self, wanted: Mapping[str, Callable[[Any], Any]], *, to_the_end: bool) -> None:
        """Take `wanted[name](output)` of each layer."""
        self._wanted, self._to_the_end = wanted, to_the_end
        self.heard: dict[str, Any] = {}

    def hear(self, name: str, output: Any) -> Any:
        """A layer gave this."""
        if name not in self._wanted:
            return output
        self.heard[name] = self._wanted[name](output)
        if not self._to_the_end and len(self.heard) == len(self._wanted):
            raise Enough
        return output


def last_map(output: T) -> T:
    """Say that this is the network's last map; returns it. For the functions that a family gives as `features`."""
    heard: T = _tell(LAST, output)
    return heard


def tap(module: "torch.nn.Module", name: str) -> None:
    """Have a module tell whoever listens what it gives."""
    module.get_submodule(name).register_forward_hook(lambda part, given, made: _tell(name, made))


def listened(listener: Hearing, work: Callable[[], T]) -> T | None:
    """What `work` returns while `listener` listens in this thread; None where it had heard enough before the end."""
    _room.listener = listener
    try:
        return work()
    except Enough:
        return None
    finally:
        _room.listener = None


def measured(
    module: "torch.nn.Module", features: Callable[[Any, Any], Any], batch: "torch.Tensor"
) -> tuple[Layer, ...]:
    """Every module of a network, in its own order, and `last` where the network has it.

    Args:
        module: in eval mode.
        features: (module, batch) to (n, d).
        batch: (n, 3, h, w), n > 1.
    """
    import torch

    calls: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...] | None] = {}

    def note(name: str, made: Any) -> None:
        calls[name] = calls.get(name, 0) + 1
        of_each = isinstance(made, torch.Tensor) and made.ndim > 1 and len(made) == len(batch)
        shapes[name] = tuple(made.shape[1:]) if of_each else None

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda part, given, made: note(name, made)

    parts = {name: part for name, part in module.named_modules() if name}
    hooks = [part.register_forward_hook(hook(name)) for name, part in parts.items()]
    try:
        with torch.inference_mode():
            listened(Listener({LAST: lambda made: note(LAST, made)}, to_the_end=True), lambda: features(module, batch))
    finally:
        for one in hooks:
            one.remove()
    found = [
        Layer(name, type(part).__name__, _parameters(part), calls.get(name, 0), shapes.get(name))
        for name, part in parts.items()
    ]
    if LAST in calls and LAST not in parts:
        found.append(Layer(LAST, "", 0, calls[LAST], shapes[LAST]))
    return tuple(found)


def _parameters(part: Any) -> int:
    return sum(tensor.numel() for tensor in part.parameters())


def _tell(name: str, output: Any) -> Any:
    """What goes on from a layer: its output, or what the listener puts in its place."""
    listener: Hearing | None = getattr(_room, "listener", None)
    return output if listener is None else listener.hear(name, output)
