"""The backend `onnx`: ONNX Runtime on the CPU."""

import threading
from collections.abc import Callable
from typing import Any

from boda.arrays import Features, Pixels
from boda.encoders.onnx_graph import INPUT, OUTPUT
from boda.errors import MissingExtra


def load(graph: Callable[[], bytes], what: str) -> "OnnxRun":
    """Make the graph ready to run.

    Args:
        graph: gives the bytes of an ONNX file; asked only once what runs it is known to be here.
        what: needs the runtime, for the error.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(what, "onnx") from error
    return OnnxRun(onnxruntime, graph())


class OnnxRun:
    """A graph in ONNX Runtime, which takes its number of cores once for all: so one session a number of cores.

    A session on one core computes in the thread that calls it, so that lanes do not disturb each other.
    """

    def __init__(self, onnxruntime: Any, graph: bytes) -> None:
        self._runtime, self._graph = onnxruntime, graph
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, d) float32, on the cores that torch would use in this thread."""
        import torch

        features: Features = self._session(torch.get_num_threads()).run([OUTPUT], {INPUT: pixels})[0]
        return features

    def _session(self, cores: int) -> Any:
        with self._lock:
            if cores not in self._sessions:
                options = self._runtime.SessionOptions()
                options.intra_op_num_threads, options.inter_op_num_threads = cores, 1
                options.log_severity_level = 3  # errors; it warns of its own optimisations
                self._sessions[cores] = self._runtime.InferenceSession(
                    self._graph, options, providers=["CPUExecutionProvider"]
                )
            return self._sessions[cores]
