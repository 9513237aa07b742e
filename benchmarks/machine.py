"""The machine a benchmark ran on, and how steady it was."""

import importlib.metadata
import os
import platform
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from boda.cores import cores

_PACKAGES = ("boda", "numpy", "pillow", "torch", "torchvision", "timm", "pyarrow", "safetensors", "psutil")


def facts() -> dict[str, Any]:
    """Date, machine, versions and commit, as JSON."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu(),
            "cores": cores(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version()} | _versions(),
        "commit": _git("rev-parse", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain")),
    }


def noise_probe(*, passes: int = 40) -> dict[str, float]:
    """Seconds that the same work takes on all cores at once: what differs between two probes is the machine's doing."""
    jpeg = _fixed_jpeg()
    began = time.perf_counter()
    with ThreadPoolExecutor(cores()) as threads:
        list(threads.map(lambda _: _fixed_work(jpeg, passes), range(cores())))
    return {"seconds": time.perf_counter() - began, "load": os.getloadavg()[0]}


def _fixed_work(jpeg: bytes, passes: int) -> None:
    for _ in range(passes):
        small = Image.open(BytesIO(jpeg)).convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)
        np.sort(np.asarray(small, np.float32).ravel())


def _fixed_jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).resize((500, 400), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {name.strip(): value.strip() for name, value in found.items()}
    flags = found.get("flags", "").split()
    fast = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{found.get('model name', platform.machine())} ({', '.join(fast)})"


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*words: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
