"""Crew: the processes that train one network together, each on a device and a share of every batch.

`accelerate launch --num_processes 2 -m boda train-net ...` starts them, one a device (on processors `torchrun
--nproc_per_node 2 -m boda train-net ... --device cpu`); alone there is one. The mean of the gradients
of equal shares is the gradient of the batch, so a crew goes where one process goes, but for norms, which see their own
share only, and for images mixed with each other, which find their partners there.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from boda.errors import MissingExtra, Refused
from boda.heads.inputs import Rows


@dataclass(frozen=True, eq=False)
class Crew:
    """One process of several; by default the only one."""

    rank: int = 0
    size: int = 1
    accelerator: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process keeps and says what all have done."""
        return self.rank == 0

    def share(self, rows: Rows) -> Rows:
        """This process's part of a batch; what cannot be shared equally is left out.

        Raises:
            Refused: the batch has fewer rows than there are processes.
        """
        if self.size == 1:
            return rows
        each = len(rows) // self.size
        if not each:
            raise Refused(f"a batch of {len(rows)} rows for {self.size} processes: give a larger --batch")
        return rows[self.rank * each : (self.rank + 1) * each]

    def together(self, network: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """`forward`, after which gradients are the mean of all processes."""
        if self.size == 1:
            return forward
        return _Together(self.accelerator.prepare_model(_Forward(network, forward)))

    def summed(self, sums: Mapping[str, Tensor], rows: int) -> tuple[dict[str, Tensor], int]:
        """Sums of all processes, and how many rows they are of."""
        if self.size == 1:
            return dict(sums), rows
        count = torch.tensor(rows, device=self.accelerator.device)
        found = {name: self.accelerator.reduce(value, "sum") for name, value in sums.items()}
        return found, int(self.accelerator.reduce(count, "sum"))

    def agreed(self, scores: dict[str, float]) -> dict[str, float]:
        """Of the process that leads: all must end, and lower the rate, together."""
        if self.size == 1:
            return scores
        from accelerate.utils import broadcast_object_list

        found: list[dict[str, float]] = broadcast_object_list([scores])
        return found[0]

    def wait(self) -> None:
        """For all of them."""
        if self.size > 1:
            self.accelerator.wait_for_everyone()


def crew_here(device: str = "auto") -> Crew:
    """The crew that this process is of.

    Args:
        device: `cpu` where they are to compute on processors.

    Raises:
        MissingExtra: there are several processes and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Crew()
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise MissingExtra("training in several processes", "training") from error
    accelerator = Accelerator(cpu=device == "cpu")
    return Crew(accelerator.process_index, accelerator.num_processes, accelerator)


class _Forward(nn.Module):
    """What is computed, as the module whose gradients are shared."""

    def __init__(self, network: nn.Module, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self._forward = network, forward

    def forward(self, *given: Any) -> Any:
        """Of the network."""
        return self._forward(self.network, *given)


class _Together:
    """Takes the network as `Run.forward` does; it is inside already."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __call__(self, _network: nn.Module, *given: Any) -> Any:
        return self._module(*given)
