"""A torch encoder as one ONNX graph: uint8 pixels in, features out, with the normalising inside."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from boda.encoders.layers import Listener, listened
from boda.encoders.pooling import pooled
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import MissingExtra, Refused
from boda.pixels.spec import PixelSpec

if TYPE_CHECKING:
    import torch

INPUT, OUTPUT = "pixels", "features"
"""Names of the graph's input, (n, h, w, 3) uint8, and of its output, (n, d) float32; n is free."""
LARGEST = (1 << 31) - 1
"""Bytes that one ONNX file can hold."""


def onnx_graph(encoder: TorchEncoder) -> bytes:
    """The graph that computes what a torch encoder computes in fp32, as the bytes of an ONNX file.

    Args:
        encoder: with its own features or those of a layer.

    Raises:
        MissingExtra: what writes ONNX is not installed.
        Refused: the network cannot be written as one graph, or is too large for one file.
    """
    import torch

    _check_installed()
    name, pixels = encoder.recipe.name, encoder.recipe.pixels
    assert pixels is not None
    whole = _whole(encoder, pixels)
    example = torch.zeros(2, *pixels.shape, 3, dtype=torch.uint8)
    try:
        with _silent(), torch.no_grad():
            program = torch.onnx.export(
                whole,
                (example,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                verbose=False,
            )
            assert program is not None
            if sum(tensor.nbytes for tensor in whole.state_dict().values()) > LARGEST:
                raise Refused(f"encoder {name!r} is larger than one ONNX file can hold: use --backend torch")
            graph: bytes = program.model_proto.SerializeToString()
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, AttributeError, AssertionError) as error:
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise Refused(f"encoder {name!r} cannot be written as an ONNX graph ({why}): use --backend torch") from error
    return graph


def _whole(encoder: TorchEncoder, pixels: PixelSpec) -> "torch.nn.Module":
    """The encoder as one torch module, from uint8 pixels on."""
    import torch

    part = encoder._part
    running = encoder._running

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            mean, std = (torch.tensor(values, dtype=torch.float64) for values in (pixels.mean, pixels.std))
            self.network = running._module(() if part is None else (part,), "fp32")
            self.scale = torch.nn.Buffer((1 / (255 * std)).float())
            self.shift = torch.nn.Buffer((-mean / std).float())

        def forward(self, given: torch.Tensor) -> Any:
            batch = (given.to(torch.float32) * self.scale + self.shift).permute(0, 3, 1, 2)
            if part is None:
                return running.network.features(self.network, batch)
            take = {part.layer: lambda made: pooled(made, part.pooling, part.layout)}
            listener = Listener(take, to_the_end=False)
            listened(listener, lambda: running.network.features(self.network, batch))
            return listener.heard[part.layer]

    return Whole().eval()


def _check_installed() -> None:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra("writing an ONNX graph", "onnx") from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The exporter warns of its own insides; what matters is raised, and the result is compared with torch."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
