"""Results as plain JSON: no NaN, no infinity, no arrays."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def as_plain(value: Any) -> Any:
    """What `json.dumps(..., allow_nan=False)` takes: NaN and infinities become None, arrays and tuples become lists.

    >>> as_plain({"r2": float("nan"), "shares": np.array([0.5, 0.5])})
    {'r2': None, 'shares': [0.5, 0.5]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_plain(value.tolist())
    if isinstance(value, tuple | list):
        return [as_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
