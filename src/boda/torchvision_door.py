"""The one door to torchvision and timm, which imports torchvision. Everybody calls `open_door` before either.

PyPI's torchvision wheel is built for one torch; beside another (its CUDA build beside a CPU torch) the compiled
operators do not load, and `import torchvision` fails with `operator torchvision::nms does not exist`, because it
registers fake versions of `nms` and `qnms` whose schemas nobody defined. Declared first, the import works, and with
it all that boda needs: models, transforms, timm.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept_alive: list[Any] = []
"""torch forgets the schemas when their library object dies."""


def open_door() -> None:
    """Make `import torchvision` work: declares two schemas where its operators cannot load, else does nothing.

    Safe to call again. Needs torch; does nothing where torchvision is not installed.
    """
    if _kept_alive or "torchvision" in sys.modules:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _operators_load(Path(spec.origin).parent):
        return
    import torch

    make: Any = torch.library.Library
    library = make("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    _kept_alive.append(library)


def _operators_load(folder: Path) -> bool:
    """Load the compiled operators just as torchvision will; loading twice does no harm."""
    import torch

    load: Any = torch.ops.load_library
    try:
        for library in sorted((*folder.glob("_C*.so"), *folder.glob("_C*.pyd"))):
            load(str(library))
            return True
    except (ImportError, OSError):
        return False
    return False
