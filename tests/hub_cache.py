"""A cache of the Hugging Face hub as its library lays it out, made from files of a test, and nothing else in reach."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest


def offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Make `cache` the hub's cache, in this process and in those it starts, and the hub out of reach."""
    from huggingface_hub import constants

    cache.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return cache


def lay(cache: Path, repository: str, files: Mapping[str, bytes | str | Path], *, ref: str = "main") -> str:
    """Lay one commit of a repository into the cache: blobs, a snapshot of links to them, a ref. Returns the commit."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    data = {name: _bytes(content) for name, content in files.items()}
    commit = hashlib.sha1(b"".join(name.encode() + content for name, content in sorted(data.items()))).hexdigest()
    for name, content in data.items():
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link = folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / ref).write_text(commit)
    return commit


def _bytes(content: bytes | str | Path) -> bytes:
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content


def real_photographs(data: Path, count: int) -> list[bytes]:
    """Some plain RGB photographs of the real data, upright, in the order of their names."""
    import io
    import tarfile

    from PIL import Image

    found: list[bytes] = []
    with tarfile.open(data / "imagenet_photos" / "images.tar") as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if len(found) == count:
                break
            if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg")):
                content = archive.extractfile(member).read()
                with Image.open(io.BytesIO(content)) as image:
                    if image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1 and "icc_profile" not in image.info:
                        found.append(content)
    assert len(found) == count
    return found
