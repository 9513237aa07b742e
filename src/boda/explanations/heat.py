"""Heat: one map per image and score, as the network saw the image."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Heat:
    """n maps of one score by one method."""

    method: str
    layer: str
    """"" where the method works on pixels alone."""
    maps: Map
    """(n, y, x): at the layer's own places, or at pixels; signed where the method is. Large says: this moved the score
    up."""
    scores: npt.NDArray[np.float64]
    """(n,) what was explained."""
    unit: str
    """Of a map's values."""
    signed: bool
    notes: tuple[str, ...] = ()
    """What to mind."""
    gaps: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """(n,) by name: what a method promises and how far it is off, such as `completeness`."""

    def at(self, shape: tuple[int, int]) -> Map:
        """(n, h, w): enlarged to the pixels that the network saw, bilinear, places at the middle of their pixels."""
        import torch
        from torch.nn.functional import interpolate

        if self.maps.shape[1:] == shape:
            return self.maps
        coarse = torch.from_numpy(np.ascontiguousarray(self.maps))[:, None]
        fine: Map = interpolate(coarse, size=shape, mode="bilinear", align_corners=False)[:, 0].numpy()
        return fine
