"""The backend `openvino`: Intel's OpenVINO on the CPU."""

import threading
from collections.abc import Callable
from typing import Any

from boda.arrays import Features, Pixels
from boda.cores import cores as available_cores
from boda.encoders.onnx_graph import INPUT
from boda.errors import MissingExtra


def load(graph: Callable[[], bytes], what: str) -> "OpenVinoRun":
    """Make the graph ready to run.

    Args:
        graph: gives the bytes of an ONNX file; asked only once what runs it is known to be here.
        what: needs the runtime, for the error.

    Raises:
        MissingExtra: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra(what, "openvino") from error
    return OpenVinoRun(openvino, graph())


class OpenVinoRun:
    """A graph in OpenVINO, compiled once for lanes (a stream a core) and once for a single caller (all its cores).

    fp32 is asked for: left to itself the library takes bf16 where the processor has it, whatever the graph says.
    """

    def __init__(self, openvino: Any, graph: bytes) -> None:
        self._core = openvino.Core()
        self._model = self._core.read_model(graph)
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._here = threading.local()
        """A request serves one thread at a time, so each thread has its own."""

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, d) float32, on the cores that torch would use in this thread."""
        import torch

        cores = torch.get_num_threads()
        requests: dict[int, Any] = self._here.__dict__.setdefault("requests", {})
        if cores not in requests:
            requests[cores] = self._for(cores).create_infer_request()
        features: Features = requests[cores].infer({INPUT: pixels})[0].copy()
        return features

    def _for(self, cores: int) -> Any:
        with self._lock:
            if cores not in self._compiled:
                streams = available_cores()
                settings = {
                    "INFERENCE_PRECISION_HINT": "f32",
                    "INFERENCE_NUM_THREADS": streams if cores == 1 else cores,
                    "NUM_STREAMS": streams if cores == 1 else 1,
                    "ENABLE_CPU_PINNING": False,  # decoders and other lanes use these cores too
                }
                self._compiled[cores] = self._core.compile_model(self._model, "CPU", settings)
            return self._compiled[cores]
