"""The limit: how fast a machine could embed if its cores did nothing but decode and forward.

Both are measured alone, with boda's own functions: decoding with resizing on one core while the others rest, the
forward pass on all cores.
"""

import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from boda.arrays import Pixels
from boda.encoders.base import Encoder
from boda.encoders.threads import one_core_for_this_thread
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec


def limit(decode: float, forward: float, cores: int) -> float:
    """Images per second, where decoding and forward share the cores without any loss.

    An image costs 1 / decode core-seconds, and cores / forward.

    Args:
        decode: images per second of one core.
        forward: images per second of all cores.
        cores: how many.

    >>> round(limit(decode=370, forward=62, cores=2), 1)
    57.2
    """
    return cores / (1 / decode + cores / forward)


def decode_rate(files: Sequence[bytes], spec: PixelSpec, *, seconds: float) -> float:
    """Images per second of one core from bytes in memory to pixels: the median over passes through `files`."""
    passes = []
    began = time.perf_counter()
    while not passes or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        for data in files:
            prepare(data, spec)
        passes.append(time.perf_counter() - start)
    return len(files) / statistics.median(passes)


def forward_rates(encoder: Encoder, pixels: Pixels, cores: int, *, seconds: float) -> dict[str, float]:
    """Images per second of all cores, in two ways; the limit takes the better one.

    `lanes`: a thread for each core, each with batches of its own. `one_call`: one batch at a time on all cores.

    Args:
        encoder: to measure.
        pixels: (32, h, w, 3), one batch.
        cores: how many threads.
        seconds: for each way, about.
    """
    return {
        "lanes": _lanes_rate(encoder, pixels, cores, seconds),
        "one_call": _one_call_rate(encoder, pixels, seconds),
    }


def _one_call_rate(encoder: Encoder, pixels: Pixels, seconds: float) -> float:
    encoder(pixels)
    return _rate(encoder, pixels, seconds)


def _lanes_rate(encoder: Encoder, pixels: Pixels, cores: int, seconds: float) -> float:
    together = threading.Barrier(cores)

    def lane(own: Pixels) -> float:
        with one_core_for_this_thread():
            encoder(own)
            together.wait()
            return _rate(encoder, own, seconds)

    with ThreadPoolExecutor(cores) as lanes:
        return sum(lanes.map(lane, [pixels.copy() for _ in range(cores)]))


def _rate(encoder: Encoder, pixels: Pixels, seconds: float) -> float:
    """Images per second by the median batch."""
    passes = []
    began = time.perf_counter()
    while not passes or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        encoder(pixels)
        passes.append(time.perf_counter() - start)
    return len(pixels) / statistics.median(passes)
