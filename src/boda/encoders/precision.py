"""Which precision to compute in: bf16 where the hardware is fast at it and the features stay the same, else fp32."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder
from boda.encoders.taking import grouped, in_one_pass
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
    return choose_precisions([encoder], pixels)[0]


def choose_precisions(encoders: Sequence[Encoder], pixels: Pixels) -> list[Encoder]:
    """Each encoder at the precision that `choose_precision` finds for it; those of one network in one pass.

    Args:
        encoders: at any precision, all of the same pixels.
        pixels: (n, h, w, 3) uint8.
    """
    chosen = [encoder.at("fp32") for encoder in encoders]
    fast = {place: half for place, exact in enumerate(chosen) if len(pixels) and (half := _half_of(exact))}
    there, here = (_all([each[place] for place in fast], pixels) for each in (chosen, fast))
    for place, exactly, quickly in zip(fast, there, here, strict=True):
        least = float(cosines(quickly, exactly).min())
        taken = "taken" if least >= GATE else "not taken"
        _log.info("%s: bf16 agrees to a cosine of %.6f, %s", fast[place].recipe.name, least, taken)
        if least >= GATE:
            chosen[place] = fast[place]
    return chosen


def _half_of(exact: Encoder) -> Encoder | None:
    """The encoder at bf16; None where that is not fast here or not possible."""
    if not bf16_is_fast(exact.device):
        return None
    try:
        return exact.at("bf16")
    except Refused as reason:
        _log.debug("%s stays at fp32: %s", exact.recipe.name, reason)
        return None


def _all(encoders: Sequence[Encoder], pixels: Pixels) -> list[Features]:
    found: dict[int, Features] = {}
    for group in grouped(encoders):
        found.update(zip(group, in_one_pass([encoders[place] for place in group], pixels), strict=True))
    return [found[place] for place in range(len(encoders))]


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
