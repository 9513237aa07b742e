"""Linear layers that others trained, as the aesthetic heads of LAION: read without running anything in the file.

Such a layer was fitted to image embeddings of CLIP that were divided by their length. It returns a number for any other
features of its width too, and that number means nothing; so features that are not of length 1 are refused.

Source: github.com/LAION-AI/aesthetic-predictor.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import MissingExtra, Refused
from boda.heads.inputs import Scaling
from boda.keys import shown

SCALING: Scaling = "normalised"
"""What the features of such a layer must be: each row divided by its length (L2)."""

TOLERANCE = 1e-3
"""How far from 1 the length of a row may be; float16 makes it about 3e-4."""

_BLOCK = 65536


def read_linear_head(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The one linear layer in a file. Its inputs must be of length 1: see `refuse_unnormalised`.

    Args:
        path: .safetensors, or .pth and the like, which torch reads with `weights_only=True`.

    Returns:
        Weights (k, d) and offset (k,): an image with features x (d,) has the scores `weights @ x + offset`.

    Raises:
        NotFound: no such file.
        Refused: it is not a file of tensors, or holds anything but one weight matrix and its offset.
        MissingExtra: torch is not installed, and the file is one of torch.
    """
    tensors = _tensors(path)
    matrices = [name for name, tensor in tensors.items() if tensor.ndim == 2]
    offsets = [name for name, tensor in tensors.items() if tensor.ndim == 1]
    if len(tensors) == 2 and len(matrices) == len(offsets) == 1:
        weights, offset = tensors[matrices[0]], tensors[offsets[0]]
        if len(weights) == len(offset) and weights.size and _finite(weights) and _finite(offset):
            return weights, offset
    listed = ", ".join(f"{shown(name)} {tensor.shape}" for name, tensor in list(tensors.items())[:6])
    raise Refused(
        f"{shown(str(path))}: not one linear layer, a finite (k, d) weight and its (k,) bias; it holds {listed}"
    )


def refuse_unnormalised(features: StoredFeatures) -> None:
    """Refuse features that are not of length 1, for layers that were fitted to such.

    Args:
        features: (n, d); maybe a memory map larger than memory.

    Raises:
        Refused: the length of a row is not 1 within 1e-3; names the first such row and how many there are.
    """
    wrong, first = 0, ""
    for start in range(0, len(features), _BLOCK):
        lengths = np.linalg.norm(np.asarray(features[start : start + _BLOCK], np.float32), axis=1)
        rows = np.flatnonzero(~(np.abs(lengths - 1) <= TOLERANCE))
        if rows.size and not wrong:
            first = f"row {start + rows[0]} has length {lengths[rows[0]]:.4g}"
        wrong += rows.size
    if wrong:
        raise Refused(
            f"{wrong:,} of {len(features):,} rows of features are not normalised ({first}), and this layer was fitted "
            "to rows of length 1: divide each row by its length (L2)"
        )


def _tensors(path: Path) -> Mapping[str, npt.NDArray[np.float64]]:
    from boda.encoders.weights import read_weights

    try:
        import torch
    except ImportError as error:
        raise MissingExtra(f"{shown(str(path))}: a linear layer", "torch") from error
    state: dict[str, Any] = read_weights(path)
    return {name: tensor.to(torch.float64).numpy() for name, tensor in state.items()}


def _finite(array: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(array).all())
