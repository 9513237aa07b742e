"""torchvision's functional transforms, which draw nothing themselves."""

from functools import cache
from typing import Any

from boda.errors import MissingExtra
from boda.torchvision_door import open_door


@cache
def kernels() -> Any:
    """`torchvision.transforms.v2.functional`.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        open_door()
        from torchvision.transforms.v2 import functional
    except ImportError as error:
        raise MissingExtra("this augmentation", "torch") from error
    return functional
