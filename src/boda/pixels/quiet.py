"""Keep the warnings of image libraries to ourselves, in any number of threads.

Pillow warns of much that is no news here (large images, odd EXIF); what matters is in a verdict or in
`Decoded.warnings`. `warnings.catch_warnings` swaps the process's whole list of filters, so two threads inside it
would put back each other's. Here the first thread in adds one filter for these libraries only, and the last one out
takes it away. An ignored warning leaves no trace in Python's registries, so nothing else has to be undone.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_FILTER = ("ignore", None, Warning, re.compile(r"(PIL|astropy|pillow_heif)\b"), 0)
_lock = threading.Lock()
_inside = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings raised in Pillow, astropy and pillow-heif while inside."""
    global _inside
    with _lock:
        _inside += 1
        if _FILTER not in warnings.filters:
            warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _FILTER in warnings.filters:
                warnings.filters.remove(_FILTER)  # type: ignore[attr-defined]
