"""What a method that only looks must leave as it was: everything that a caller could notice afterwards."""

import hashlib
from typing import Any

import torch

from boda.encoders.opened import OpenNetwork

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state_of(network: OpenNetwork) -> dict[str, Any]:
    """Weights, modes, hooks and gradients of a network, and what is set for all of torch in this thread."""
    parts = dict(network.module.named_modules())
    return {
        "tensors": {name: _digest(one) for name, one in network.module.state_dict().items()},
        "training": {name: one.training for name, one in parts.items()},
        "hooks": {name: [len(getattr(one, hooks)) for hooks in _HOOKS] for name, one in parts.items()},
        "patched": {name: "forward" in vars(one) for name, one in parts.items()},
        "fused": {name: getattr(one, "fused_attn", None) for name, one in parts.items()},
        "gradients": {name: (one.requires_grad, one.grad is None) for name, one in network.module.named_parameters()},
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "attention": (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cuda.mem_efficient_sdp_enabled(),
            torch.backends.cuda.math_sdp_enabled(),
            torch.backends.cuda.cudnn_sdp_enabled(),
        ),
        "listening": (len(torch.overrides._get_current_function_mode_stack()), torch._C._len_torch_dispatch_stack()),
        "chance": _digest(torch.get_rng_state()),
    }


def _digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.cpu().contiguous().numpy().tobytes()).hexdigest()
