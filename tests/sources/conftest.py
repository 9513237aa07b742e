"""Tiny real images, and the archives that hold them."""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def make_png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade % 256, shade // 256 % 256, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_idx(folder: Path, stem: str, images: np.ndarray, labels: np.ndarray | None, *, packed: bool) -> Path:
    opener, ending = (gzip.open, ".gz") if packed else (open, "")
    path = folder / f"{stem}-images-idx{images.ndim}-ubyte{ending}"
    with opener(path, "wb") as file:
        file.write(struct.pack(f">BBBB{images.ndim}I", 0, 0, 8, images.ndim, *images.shape) + images.tobytes())
    if labels is not None:
        with opener(folder / f"{stem}-labels-idx1-ubyte{ending}", "wb") as file:
            file.write(struct.pack(">BBBBI", 0, 0, 8, 1, len(labels)) + labels.tobytes())
    return path


def write_shard(path: Path, samples: Iterable[int], mode: str = "w") -> Path:
    members = []
    for i in samples:
        members += [
            (f"{i:04d}.png", make_png(i)),
            (f"{i:04d}.json", json.dumps({"score": i / 2, "name": f"n{i}", "id": 10**17 + i}).encode()),
            (f"{i:04d}.cls", str(i % 3).encode()),
        ]
    return write_tar(path, members, mode)


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """A small PNG, another one for each number."""
    return make_png


@pytest.fixture(scope="session")
def tar_of() -> Callable[..., Path]:
    """Write a tar of (name, bytes)."""
    return write_tar


@pytest.fixture(scope="session")
def shard_of() -> Callable[..., Path]:
    """Write a WebDataset shard of samples by number."""
    return write_shard


@pytest.fixture(scope="session")
def idx_of() -> Callable[..., Path]:
    """Write an IDX pair."""
    return write_idx
