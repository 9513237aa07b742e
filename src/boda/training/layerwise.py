"""Layers of a network in the order in which images pass them: which learn how fast, and which not at all.

Layers near the input see edges and textures, which are the same everywhere; those near the features see what the
network was trained for. So the learning rate falls from layer to layer towards the input (Howard and Ruder, ACL 2018,
arXiv:1801.06146; for transformers as in BEiT, arXiv:2106.08254).
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from boda.errors import Refused
from boda.keys import shown

Freeze: TypeAlias = str | float | None
"""Names of layers or parameters, or what these begin with, with commas between; or the share of layers, from the input
on; None: nothing."""


@dataclass(frozen=True)
class Layers:
    """The layers of one network."""

    order: tuple[tuple[str, ...], ...]
    """From the input to the features; of each the names of its parameters."""
    unused: frozenset[str]
    """Parameters that the features do not depend on: a classifier, a decoder."""

    def scales(self, decay: float) -> dict[str, float]:
        """Of the learning rate, by parameter: `decay` for the last layer, its square for the one before, and so on.

        Raises:
            Refused: the decay is no share.
        """
        if not 0 < decay <= 1:
            raise Refused(f"layer_decay={decay}: a share above 0, at most 1")
        last = len(self.order)
        return {name: decay ** (last - place) for place, names in enumerate(self.order) for name in names}

    def first(self, share: float) -> frozenset[str]:
        """Parameters of this share of the layers, from the input on.

        Raises:
            Refused: it is no share.
        """
        if not 0 <= share <= 1:
            raise Refused(f"freeze={share:g}: a share of the layers is from 0 to 1")
        return frozenset(name for names in self.order[: round(share * len(self.order))] for name in names)


def layers_of(network: nn.Module, features: Callable[[Any, Any], Any], images: Tensor) -> Layers:
    """The layers of a network, told by its modules and by the order in which they are called.

    What stands in sequences and lists is one layer each, whatever they are nested in; norms belong to the layer before
    them, parameters outside of any module to the first.

    Args:
        network: in eval mode; not changed.
        features: (network, images) to (n, d).
        images: (n, 3, h, w).
    """
    parts = dict(_parts(network, ""))
    called: list[str] = []
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda part, given, name=name: called.append(name))
        for name in parts
    ]
    try:
        with torch.no_grad():
            features(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    order: list[list[str]] = []
    for name in dict.fromkeys(called):
        names = parts[name]
        alone = all(network.get_parameter(one).ndim < 2 for one in names)
        if order and alone:
            order[-1] += names
        else:
            order.append(list(names))
    inside = {name for names in parts.values() for name in names}
    outside = [name for name, _ in network.named_parameters() if name not in inside]
    if order:
        order[0] += outside
    used = {name for names in order for name in names}
    unused = frozenset(name for name, _ in network.named_parameters() if name not in used)
    return Layers(tuple(map(tuple, order)), unused)


def frozen_parameters(network: nn.Module, layers: Layers, freeze: Freeze) -> frozenset[str]:
    """Names of the parameters that are not to change; `layers.unused` are among them.

    Raises:
        Refused: a name that names nothing, with near ones; or a share that is none.
    """
    if freeze is None:
        return layers.unused
    share = _number(freeze)
    if share is not None:
        return layers.unused | layers.first(share)
    found = set(layers.unused)
    for prefix in str(freeze).split(","):
        under = [name for name, _ in network.named_parameters() if _is_under(name, prefix.strip())]
        if not under:
            raise _nothing(network, prefix.strip())
        found.update(under)
    return frozenset(found)


def frozen_modules(network: nn.Module, frozen: frozenset[str]) -> tuple[nn.Module, ...]:
    """Modules of which nothing changes, each in the largest that it is part of; they stay in eval mode.

    Norms without weights of their own count with the module around them.
    """

    def found(module: nn.Module, above: str) -> Iterator[nn.Module]:
        names = [f"{above}{name}" for name, _ in module.named_parameters()]
        if names and frozen.issuperset(names):
            yield module
            return
        for name, child in module.named_children():
            yield from found(child, f"{above}{name}.")

    return tuple(found(network, ""))


def _parts(module: nn.Module, above: str) -> Iterator[tuple[str, list[str]]]:
    """Names of modules that are one layer each, with the names of their parameters."""
    for name, child in module.named_children():
        names = [f"{above}{name}.{one}" for one, _ in child.named_parameters()]
        if not names:
            continue
        if _holds_layers(child):
            yield from _parts(child, f"{above}{name}.")
        else:
            yield f"{above}{name}", names


def _holds_layers(module: nn.Module) -> bool:
    """Whether it is a sequence or list, or consists of one for the most part."""
    if isinstance(module, nn.Sequential | nn.ModuleList):
        return True
    listed = [child for child in module.children() if isinstance(child, nn.Sequential | nn.ModuleList)]
    return 2 * sum(map(_size, listed)) > _size(module)


def _size(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def _number(freeze: str | float) -> float | None:
    try:
        return float(freeze)
    except ValueError:
        return None


def _is_under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _nothing(network: nn.Module, prefix: str) -> Refused:
    known: Sequence[str] = [name for name, part in network.named_modules() if name and _size(part)]
    near = difflib.get_close_matches(prefix, known, n=3, cutoff=0.5)
    top = [name for name in known if "." not in name]
    hint = f"near: {', '.join(near)}" if near else f"there are {', '.join(top)}"
    return Refused(f"freeze={shown(prefix)}: no layer of this name; {hint}; or give a share of the layers, as 0.5")


def beside(scales: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The same for parameters of a network that this one is part of."""
    return {f"{prefix}{name}": value for name, value in scales.items()}
