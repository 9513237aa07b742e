"""The arrays that every part of boda passes on, by shape and meaning.

Letters in shapes: n images, h height, w width, c channels, d width of one feature vector, k classes or hits.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(n, h, w, 3): RGB, upright, sRGB, 0..255. One image alone is (h, w, 3)."""

Features: TypeAlias = npt.NDArray[np.float32]
"""(n, d): row i belongs to image i."""

StoredFeatures: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n, d): float32, or float16 where the features were computed in bf16."""
