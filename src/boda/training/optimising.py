"""Optimisers and averages of weights, with state that has names, so that it can be saved and read back."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from boda.training.preset import Preset

_NAME = "name"


def optimiser_of(
    network: nn.Module, preset: Preset, *, scales: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The optimiser of a preset for what can be learned of a network.

    Args:
        network: parameters that want no gradient are left out.
        preset: which, and its numbers.
        scales: of the learning rate of parameters by name, for fine-tuning; 1 where none is given.
    """
    groups: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decay = preset.weight_decay if preset.decay_norms or parameter.ndim > 1 else 0.0
            groups.setdefault((decay, (scales or {}).get(name, 1.0)), []).append((name, parameter))
    made = [
        {"params": named, "weight_decay": decay, "scale": scale, "lr": preset.lr * scale}
        for (decay, scale), named in groups.items()
    ]
    if preset.optimiser == "sgd":
        return torch.optim.SGD(made, lr=preset.lr, momentum=preset.momentum, nesterov=preset.nesterov, foreach=True)
    kind = torch.optim.Adam if preset.optimiser == "adam" else torch.optim.AdamW
    return kind(made, lr=preset.lr, betas=(preset.momentum, 0.999), foreach=True)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def tensors_of(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, by parameter: `layer.weight/momentum_buffer`."""
    return {
        f"{name}/{what}": torch.as_tensor(value)
        for name, parameter in _named(optimiser)
        for what, value in optimiser.state.get(parameter, {}).items()
        if value is not None
    }


def restore(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give back what `tensors_of` took."""
    named = dict(_named(optimiser))
    for key, tensor in tensors.items():
        name, _, what = key.rpartition("/")
        parameter = named[name]
        # steps are counted on the host, whatever the parameter is on
        place = tensor.clone() if what == "step" else tensor.to(parameter.device, copy=True)
        if what != "step" and place.shape == parameter.shape:
            place = torch.empty_like(parameter).copy_(place)  # laid out in memory as the parameter is
        optimiser.state[parameter][what] = place


def _named(optimiser: torch.optim.Optimizer) -> Iterable[tuple[str, nn.Parameter]]:
    for group in optimiser.param_groups:
        yield from zip(group["param_names"], group["params"], strict=True)


class Average:
    """An exponential moving average of all that a network consists of.

    The decay rises with the steps, (1 + step) / (10 + step) at first, so that random weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begins with the weights as they are."""
        self._decay = decay
        self._source = list(network.state_dict(keep_vars=True).values())
        self.tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def update(self, step: int) -> None:
        """Take the weights after a step in."""
        decay = min(self._decay, (1 + step) / (10 + step))
        moving, towards = [], []
        for kept, tensor in zip(self.tensors.values(), self._source, strict=True):
            if kept.dtype.is_floating_point:
                moving.append(kept)
                towards.append(tensor.detach())
            else:
                kept.copy_(tensor)
        torch._foreach_lerp_(moving, towards, 1 - decay)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Give back what `tensors` held."""
        for name, kept in self.tensors.items():
            kept.copy_(tensors[name])


def wide(value: Tensor) -> Tensor:
    """In float64, in which sums over many rows stay exact; in float32 on MPS, which has no other."""
    return value.float() if value.device.type == "mps" else value.double()


def plain(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Tensors of one number each, all on one device, as numbers; one wait for the device."""
    if not values:
        return {}
    together = torch.stack([wide(value) for value in values.values()])
    return dict(zip(values, together.tolist(), strict=True))
