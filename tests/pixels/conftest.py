"""A photograph that is drawn, and how to make files of it."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

Encode: TypeAlias = Callable[..., bytes]


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """120 x 90, RGB: smooth shapes, some edges, no symmetry."""
    rng = np.random.default_rng(12)
    coarse = Image.fromarray(rng.integers(20, 236, (9, 12, 3), dtype=np.uint8))
    smooth = coarse.resize((120, 90), Image.Resampling.BICUBIC)
    smooth.paste((200, 40, 40), (10, 10, 40, 25))
    return smooth


@pytest.fixture(scope="session")
def encode() -> Encode:
    """An image as the bytes of a file: `encode(image, "PNG", **options)`."""

    def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
        file = BytesIO()
        image.save(file, name, **options)
        return file.getvalue()

    return encoded
