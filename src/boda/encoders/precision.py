"""Which precision to compute in: bf16 where the hardware is fast at it and the features stay the same, else fp32."""

import logging
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder
from boda.errors import Refused

GATE: Final = 0.9995
"""The least cosine between an image's bf16 and fp32 features at which bf16 is taken; every image must reach it."""

_log = logging.getLogger(__name__)


def choose_precision(encoder: Encoder, pixels: Pixels) -> Encoder:
    """The encoder at bf16 where that is fast here and passes the gate on these pixels, else at fp32.

    Args:
        encoder: at any precision.
        pixels: (n, h, w, 3) uint8, the first batch; where it is empty nothing can be shown, so fp32.
    """
    exact = encoder.at("fp32")
    if not len(pixels) or not bf16_is_fast(encoder.device):
        return exact
    try:
        fast = encoder.at("bf16")
    except Refused as reason:
        _log.debug("%s stays at fp32: %s", encoder.recipe.name, reason)
        return exact
    least = float(cosines(fast(pixels), exact(pixels)).min())
    passed = least >= GATE
    _log.info("%s: bf16 agrees to a cosine of %.6f, %s", encoder.recipe.name, least, "taken" if passed else "not taken")
    return fast if passed else exact


def cosines(a: Features, b: Features) -> npt.NDArray[np.float64]:
    """(n,): cosine between row i of `a` and row i of `b`; 1 where both are zero, NaN where a row is not finite.

    NaN is never at or above a gate, so such a batch is computed in fp32, where the run looks at it.
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    lengths: npt.NDArray[np.float64] = np.linalg.norm(wide_a, axis=1) * np.linalg.norm(wide_b, axis=1)
    both_zero = ~wide_a.any(axis=1) & ~wide_b.any(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: npt.NDArray[np.float64] = np.einsum("nd,nd->n", wide_a, wide_b) / np.where(lengths == 0, 1, lengths)
    return np.where(both_zero, 1.0, ratio)


def bf16_is_fast(device: str) -> bool:
    """Whether this device has instructions for bf16: CPUs with AVX512-BF16 or AMX, CUDA from compute capability 8.0.

    False without torch.
    """
    try:
        import torch
    except ImportError:
        return False
    kind = torch.device(device).type
    if kind == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return major >= 8
    return kind == "cpu" and any(_cpu_has(torch, what) for what in ("avx512_bf16", "amx_bf16"))


def _cpu_has(torch: Any, what: str) -> bool:
    """Ask torch, else the kernel: torch's own question has no public name before 2.13 or so."""
    ask = getattr(torch.cpu, f"_is_{what}_supported", None)
    if ask is not None:
        return bool(ask())
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:  # noqa: PTH123
            return any(line.startswith("flags") and what in line.split() for line in info)
    except OSError:
        return False
