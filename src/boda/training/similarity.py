"""Structural similarity: whether two images have the same light, contrast and structure around each pixel.

Wang, Bovik, Sheikh and Simoncelli, IEEE Transactions on Image Processing 13(4), 2004: a Gaussian window of 11 pixels
with a deviation of 1.5, K1 = 0.01, K2 = 0.03.
"""

import torch
from torch import Tensor
from torch.nn import functional

_REACH, _DEVIATION = 5, 1.5
_LIGHT, _CONTRAST = 0.01**2, 0.03**2
"""Of values from 0 to 1."""


def dissimilarity(made: Tensor, images: Tensor) -> Tensor:
    """(b,) 1 less the structural similarity, so 0 for equal images.

    Only windows that lie inside the images count; where an image is smaller than a window, the window is.

    Args:
        made: (b, c, h, w), 0 to 1.
        images: of the same shape.
    """
    reach = min(_REACH, (min(images.shape[-2:]) - 1) // 2)
    steps = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    line = torch.exp(-steps.square() / (2 * _DEVIATION**2))
    line = line / line.sum()
    channels = images.shape[1]

    def blurred(values: Tensor) -> Tensor:
        across = line.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        down = line.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        return functional.conv2d(functional.conv2d(values, across, groups=channels), down, groups=channels)

    one, two = blurred(made), blurred(images)
    variance_one, variance_two = blurred(made * made) - one * one, blurred(images * images) - two * two
    together = blurred(made * images) - one * two
    light = (2 * one * two + _LIGHT) / (one * one + two * two + _LIGHT)
    rest = (2 * together + _CONTRAST) / (variance_one + variance_two + _CONTRAST)
    return 1 - (light * rest).flatten(1).mean(dim=1)
