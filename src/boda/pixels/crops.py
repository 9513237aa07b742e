"""Several crops of one image: what classifiers were tested with since Krizhevsky et al. (2012)."""

import numpy as np

from boda.arrays import Pixels
from boda.errors import Refused


def five_crops(image: Pixels, crop: tuple[int, int]) -> Pixels:
    """The four corners and the centre, placed as torchvision's `five_crop` does.

    Args:
        image: (h, w, 3) uint8.
        crop: (height, width), in pixels.

    Returns:
        (5, height, width, 3): upper left, upper right, lower left, lower right, centre.

    Raises:
        Refused: the image is smaller than the crop.
    """
    (h, w), (height, width) = image.shape[:2], crop
    if height > h or width > w:
        raise Refused(f"no crops of {height} x {width} pixels can be had of an image of {h} x {w}: resize it larger")
    centre = round((h - height) / 2), round((w - width) / 2)
    places = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width), centre]
    return np.stack([image[top : top + height, left : left + width] for top, left in places])


def ten_crops(image: Pixels, crop: tuple[int, int]) -> Pixels:
    """`five_crops` of the image, then of its mirror image: (10, height, width, 3).

    Raises:
        Refused: the image is smaller than the crop.

    >>> ten_crops(np.zeros((256, 300, 3), np.uint8), (224, 224)).shape
    (10, 224, 224, 3)
    """
    return np.concatenate([five_crops(image, crop), five_crops(image[:, ::-1], crop)])
