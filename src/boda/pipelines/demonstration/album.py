"""The images of a workspace by key, as small pictures for a page or as bare pixels for a baseline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from boda.arrays import Features
from boda.errors import Refused
from boda.keys import shown
from boda.pictures.page import Picture, data_uri
from boda.pictures.sheet import thumbnail
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.sources.opening import open_described
from boda.unreadable import Unreadable

if TYPE_CHECKING:
    from boda.recipe import Recipe
    from boda.workspace.workspace import Workspace


class Album:
    """Reads the images of a workspace again from its source."""

    def __init__(self, workspace: "Workspace", recipe: "Recipe") -> None:
        if workspace.source is None:
            raise Refused(f"{workspace.path} has no source: its images cannot be shown")
        self._source = open_described(workspace.source)
        self._workspace, self._recipe = workspace, recipe

    def data(self, key: str) -> bytes:
        """The bytes of one image.

        Raises:
            BadImage: they cannot be had.
        """
        return self._source.read(self._workspace.ref(key)).data

    def picture(
        self,
        key: str,
        caption: str = "",
        note: str = "",
        *,
        side: int = 128,
        differs: bool = False,
    ) -> Picture:
        """The image at most `side` pixels high and wide; a place with its reason where it cannot be shown."""
        small = thumbnail(self.data(key), side, self._recipe)
        if isinstance(small, Unreadable):
            return Picture("", caption or shown(key), str(small))
        return Picture(data_uri(small), caption or shown(key), note, differs)

    def square(self, key: str, side: int) -> Image.Image:
        """The middle of the image, exactly `side` pixels high and wide."""
        spec = PixelSpec(resize=side, crop=(side, side))
        return Image.fromarray(prepare(self.data(key), spec)[0])

    def pixels(self, keys: Sequence[str], side: int = 16) -> Features:
        """(n, side * side * 3) the images themselves, made this small, with the mean of each taken away.

        What a network's features must beat to be worth their time.
        """
        spec = PixelSpec(resize=(side, side), crop=None, filter="box")
        bare: Features = np.stack([prepare(self.data(key), spec)[0].ravel() for key in keys]).astype(np.float32)
        bare -= bare.mean(axis=1, keepdims=True)
        return bare
