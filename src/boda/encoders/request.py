"""What somebody asks of an encoder: the words every family's loader is given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.names import Argument, parse_name
from boda.errors import Refused
from boda.pixels.settings import changed
from boda.pixels.spec import Decoder, PixelSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class EncoderRequest:
    """One encoder, asked for by name."""

    name: str
    """As it was written: "auto", "timm:resnet18?drop_rate=0", "my_module:my_function"."""
    weights: Path | None = None
    """A file of weights to use instead of the published ones."""
    decode: Decoder | None = None
    """How JPEGs are decoded; part of the recipe. None, here and below: not asked, so the encoder's own."""
    device: str = "auto"
    """`auto`: the first of cuda, mps and cpu that is here."""
    range: tuple[float, float] | None = None
    """Values that become black and white in 16-bit files; part of the recipe."""
    stretch: str | None = None
    """The same for FITS and float files, with a curve: `asinh:0,1000`; part of the recipe."""
    pixels: str | PixelSpec | None = None
    """Settings in place of the encoder's own (`size=224,mean=0.5`, see `boda.pixels.settings`), or all of them."""

    def of(self, pixels: PixelSpec) -> PixelSpec:
        """A family's own pixels, with what was asked for in place of theirs.

        Raises:
            Refused: a setting is unknown or makes no sense.
        """
        if isinstance(self.pixels, PixelSpec):
            pixels = self.pixels
        elif self.pixels is not None:
            pixels = changed(pixels, self.pixels)
        asked: dict[str, Any] = {"decoder": self.decode, "range": self.range, "stretch": self.stretch}
        return replace(pixels, **{name: value for name, value in asked.items() if value is not None})

    @property
    def rest(self) -> str:
        """What follows the prefix, without arguments: "resnet18" of "timm:resnet18?drop_rate=0"."""
        return parse_name(self.name).rest

    @property
    def arguments(self) -> Mapping[str, Argument]:
        """Of the model, as they ride on the name: {"drop_rate": 0}."""
        return parse_name(self.name).arguments


def find_device(asked: str) -> "torch.device":
    """The torch device for `asked`; `auto` takes the first of cuda, mps and cpu that is here.

    Raises:
        Refused: there is no such device here.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False  # fp32 in a recipe means fp32: TF32 keeps 10 bits of 23
    if asked == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).partition("\n")[0]
        raise Refused(f"device {asked!r} cannot be used here ({why}); use --device auto or cpu") from error
    return device
