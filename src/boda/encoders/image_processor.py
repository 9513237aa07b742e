"""What an image processor of transformers does to an image, said as a `PixelSpec`.

Only processors that resize, crop, rescale and normalise in the library's own common way can be said so; whoever brings
code of his own for one of these is refused. Two differences remain, both below what a network notices: processors that
resize with torchvision round to other levels than Pillow now and then, by 1 of 255; and where an odd number of rows or
columns falls to a crop they leave out one more at the end, while `PixelSpec` rounds halves to even numbers as
torchvision's own crop does, so that in a quarter of all shapes the crop lies one pixel further on.
"""

import importlib
import math
from pathlib import Path
from typing import Any

from boda.errors import Refused
from boda.pixels.spec import Filter, PixelSpec

_OWN_STEPS = ("preprocess", "_preprocess", "resize", "center_crop", "rescale", "normalize", "rescale_and_normalize")
_STRETCHED_FROM = 384
"""ConvNeXt's processor crops below this side and stretches from it on."""
_FILTERS: tuple[Filter, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""In the order of Pillow's numbers."""


def read_processor(folder: Path, name: str) -> PixelSpec:
    """The pixels that the processor in a folder makes.

    Args:
        folder: with the processor's configuration.
        name: of the encoder, for errors.

    Raises:
        Refused: there is something in it that a `PixelSpec` cannot say.
    """
    transformers: Any = importlib.import_module("transformers")
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        raise Refused(f"{name}: its image processor cannot be read ({_first_line(error)})") from error
    return pixel_spec(processor, name)


def pixel_spec(processor: Any, name: str) -> PixelSpec:
    """The pixels that an image processor of transformers makes.

    Args:
        processor: an `ImageProcessor`, with its settings.
        name: of the encoder, for errors.

    Raises:
        Refused: there is something in it that a `PixelSpec` cannot say.
    """
    kind = type(processor).__name__
    convnext = kind.startswith("ConvNextImageProcessor")
    own = sorted({step for part in _its_own(processor) for step in _OWN_STEPS if step in vars(part)})
    if own and not convnext:
        raise _unsaid(name, f"{kind} has its own {own[0]}")
    if getattr(processor, "do_pad", None):
        raise _unsaid(name, f"{kind} pads")
    resize, crop = _convnext_sides(processor) if convnext else _sides(processor, name)
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean = _three(processor.image_mean if processor.do_normalize else 0.0)
    std = _three(processor.image_std if processor.do_normalize else 1.0)
    if not math.isclose(255 * factor, 1, rel_tol=1e-6):  # (x f - mean) / std, said for x / 255
        mean, std = [m / (255 * factor) for m in mean], [s / (255 * factor) for s in std]
    return PixelSpec(resize=resize, crop=crop, filter=_filter(processor.resample), mean=_rgb(mean), std=_rgb(std))


def _its_own(processor: Any) -> list[type]:
    """The classes of a processor below the library's common ones."""
    common = "transformers.image_processing"
    return [part for part in type(processor).__mro__ if part.__module__.startswith("transformers.models.")] or [
        part for part in type(processor).__mro__ if not part.__module__.startswith((common, "transformers.utils"))
    ][:1]


def _sides(processor: Any, name: str) -> tuple[int | tuple[int, int] | None, tuple[int, int]]:
    size, crop_size = processor.size, getattr(processor, "crop_size", None)
    resize: int | tuple[int, int] | None = None
    if processor.do_resize:
        given = {key: value for key, value in dict(size).items() if value is not None}
        if given.keys() == {"height", "width"}:
            resize = given["height"], given["width"]
        elif given.keys() == {"shortest_edge"}:
            resize = given["shortest_edge"]
        else:
            raise _unsaid(name, f"it resizes to {given}")
    if getattr(processor, "do_center_crop", None) and crop_size is not None:
        return resize, (crop_size["height"], crop_size["width"])
    if not isinstance(resize, tuple):
        raise _unsaid(name, "it does not fix the size of the pixels")
    return resize, resize


def _convnext_sides(processor: Any) -> tuple[int | tuple[int, int], tuple[int, int]]:
    side = int(processor.size["shortest_edge"])
    whole = (side, side)
    return (int(side / processor.crop_pct) if side < _STRETCHED_FROM else whole), whole


def _filter(resample: Any) -> Filter:
    return _FILTERS[2 if resample is None else int(resample)]


def _three(values: Any) -> list[float]:
    return [float(v) for v in values] if isinstance(values, list | tuple) else [float(values)] * 3


def _rgb(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _unsaid(name: str, what: str) -> Refused:
    return Refused(f"{name} prepares its images in a way boda cannot state yet ({what}); choose another model")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:160] or type(error).__name__
