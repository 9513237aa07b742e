"""Crops: a random part of the image, for small images with a margin, for large ones with a change of scale."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.kernels import kernels
from boda.pixels.augmenting.step import Fill, Step, fill, one_of, settle, sides, span, whole

if TYPE_CHECKING:
    import torch

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic"]

_FILTERS = ("nearest", "bilinear", "bicubic")
_TRIES = 10


@dataclass(frozen=True, slots=True)
class PadAndCrop(Step):
    """Pad by a margin on all four sides, and cut the old size out at a random place.

    Source: Lee et al., arXiv:1409.5185, as He et al., arXiv:1512.03385, section 4.2, use it for CIFAR-10.
    """

    padding: int = 4
    """In pixels."""
    fill: Fill = 0
    name: ClassVar[str] = "pad_and_crop"

    def __post_init__(self) -> None:
        """Check padding and fill."""
        settle(self, padding=whole(self, "padding", 0, 4096), fill=fill(self))

    @property
    def draws(self) -> int:
        """Two: how far down, how far across."""
        return 2

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Cut one image out of its padded self."""
        height, width = image.shape[-2:]
        top, left = self._corner(numbers)
        return self._padded(image[None])[0, :, top : top + height, left : left + width]

    def apply_batch(self, images: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Gather the windows of all images at once: rows of bytes, from a view of every place a window can be at."""
        import torch

        count, channels, height, width = images.shape
        places = 2 * self.padding + 1
        padded = self._padded(images).permute(0, 2, 3, 1)
        image, row, pixel, byte = padded.stride()
        windows = padded.as_strided((count, places, places, height, width * channels), (image, row, pixel, row, byte))
        top, left = self._corner(numbers).T
        where = np.arange(count), top, left
        if images.device.type == "cpu":  # NumPy gathers bytes 5 times as fast as torch does
            cut = torch.from_numpy(windows.numpy()[where])
        else:
            cut = windows[tuple(torch.from_numpy(index).to(images.device) for index in where)]
        return cut.view(count, height, width, channels).permute(0, 3, 1, 2)

    def _corner(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        return (numbers * (2 * self.padding + 1)).astype(np.int64)

    def _padded(self, images: "torch.Tensor") -> "torch.Tensor":
        """(n, c, h + 2 padding, w + 2 padding), channels last in memory."""
        import torch

        count, channels, height, width = images.shape
        margin, last = self.padding, images.permute(0, 2, 3, 1)
        if isinstance(self.fill, str):
            rows, columns = (
                torch.from_numpy(np.pad(np.arange(side), margin, mode=self.fill)).to(images.device)  # type: ignore[call-overload]
                for side in (height, width)
            )
            return last[:, rows][:, :, columns].contiguous().permute(0, 3, 1, 2)
        padded = images.new_empty((count, height + 2 * margin, width + 2 * margin, channels))
        padded[:] = torch.tensor(self.fill, dtype=images.dtype, device=images.device)
        padded[:, margin : margin + height, margin : margin + width] = last
        return padded.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class RandomResizedCrop(Step):
    """Cut out a part of random area and shape, and resize it to one size, with antialias.

    Source: Szegedy et al., arXiv:1409.4842, section 6; the numbers as torchvision draws them.
    """

    size: tuple[int, int]
    """(height, width) of what comes out, in pixels; a whole number is made a square."""
    scale: tuple[float, float] = (0.08, 1.0)
    """Smallest and largest share of the image's area."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Narrowest and widest shape: width / height."""
    interpolation: Interpolation = "bilinear"
    name: ClassVar[str] = "random_resized_crop"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(
            self,
            size=sides(self, "size"),
            scale=span(self, "scale", 0, 1),
            ratio=span(self, "ratio", 1e-3, 1e3),
            interpolation=one_of(self, "interpolation", *_FILTERS),
        )

    @property
    def draws(self) -> int:
        """Area and shape for each try, then the place."""
        return 2 * _TRIES + 2

    @property
    def shape(self) -> tuple[int, int]:
        """The size."""
        return self.size

    @property
    def ample_side(self) -> int:
        """So large that the smallest crop is not enlarged, but at most twice the size."""
        return math.ceil(max(self.size) * min(2.0, 1 / math.sqrt(max(self.scale[0], 0.01))))

    def sized(self, size: tuple[int, int]) -> "RandomResizedCrop":
        """Crops of the same share, resized to another size."""
        return self.changed(size=size)

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Cut and resize one image."""
        rows, columns = image.shape[-2:]
        top, left, height, width = self.box(rows, columns, numbers)
        return kernels().resized_crop(image, top, left, height, width, list(self.size), self.interpolation)  # type: ignore[no-any-return]

    def box(self, height: int, width: int, numbers: Numbers) -> tuple[int, int, int, int]:
        """(top, left, height, width) of the part of an image; its centre where no try fits into it."""
        tries = numbers[: 2 * _TRIES].reshape(_TRIES, 2)
        area = height * width * (self.scale[0] + tries[:, 0] * (self.scale[1] - self.scale[0]))
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = np.exp(low + tries[:, 1] * (high - low))
        widths, heights = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
        if not fits.any():
            return self._centre(height, width)
        chosen = int(fits.argmax())
        tall, wide = int(heights[chosen]), int(widths[chosen])
        top, left = numbers[-2] * (height - tall + 1), numbers[-1] * (width - wide + 1)
        return int(top), int(left), tall, wide

    def _centre(self, height: int, width: int) -> tuple[int, int, int, int]:
        tall, wide = height, width
        if width < height * self.ratio[0]:
            tall = round(width / self.ratio[0])
        elif width > height * self.ratio[1]:
            wide = round(height * self.ratio[1])
        return (height - tall) // 2, (width - wide) // 2, tall, wide


@dataclass(frozen=True, slots=True)
class ScaleJitterCrop(Step):
    """Resize so that the shorter side is of random length, with antialias, and cut a fixed size out at a random place.

    Source: Simonyan and Zisserman, arXiv:1409.1556, as He et al., arXiv:1512.03385, section 3.4, use it for ImageNet.
    """

    size: tuple[int, int] = (224, 224)
    """(height, width) of what comes out, in pixels; a whole number is made a square."""
    shorter_side: tuple[int, int] = (256, 480)
    """Its shortest and longest, in pixels; each whole number between is as likely."""
    interpolation: Interpolation = "bilinear"
    name: ClassVar[str] = "scale_jitter_crop"

    def __post_init__(self) -> None:
        """Check every field."""
        size, shorter = sides(self, "size"), sides(self, "shorter_side")
        if not max(size) <= shorter[0] <= shorter[1]:
            raise Refused(
                f"{self.name}: shorter_side={shorter} must be two lengths, the smaller first, of {max(size)} or more: "
                "the crop must fit in"
            )
        settle(self, size=size, shorter_side=shorter, interpolation=one_of(self, "interpolation", *_FILTERS))

    @property
    def draws(self) -> int:
        """Three: how large, how far down, how far across."""
        return 3

    @property
    def shape(self) -> tuple[int, int]:
        """The size."""
        return self.size

    @property
    def ample_side(self) -> int:
        """The longest that the shorter side becomes."""
        return self.shorter_side[1]

    def sized(self, size: tuple[int, int]) -> "ScaleJitterCrop":
        """The same share of the image at another size."""
        by = max(size) / max(self.size)
        return self.changed(size=size, shorter_side=tuple(max(*size, round(side * by)) for side in self.shorter_side))

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Resize one image and cut."""
        shortest, longest = self.shorter_side
        side = shortest + int(numbers[0] * (longest - shortest + 1))
        resized = kernels().resize(image, [side], self.interpolation)
        height, width = self.size
        top = int(numbers[1] * (resized.shape[-2] - height + 1))
        left = int(numbers[2] * (resized.shape[-1] - width + 1))
        return resized[:, top : top + height, left : left + width]  # type: ignore[no-any-return]
