"""One image file: a source of one image, or of one an HDU where it is a FITS file of several."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.fits import image_hdus, is_fits
from boda.sources.folder import read_local
from boda.sources.holding import Holding

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class SingleFile:
    """One file. Its key is its name; `name#hdu` for each image of a FITS file of several."""

    holding: Holding
    ignored: int = field(default=0, init=False, compare=False)

    @classmethod
    def at(cls, path: str) -> "SingleFile":
        """The source of the file at this path."""
        return cls(Holding.one(path))

    @classmethod
    def described(cls, description: Description, root: str) -> "SingleFile":
        """The source that this describes, at `root`."""
        return cls(Holding.described(description, root))

    @property
    def description(self) -> Description:
        """`kind`, `root`, `name`."""
        return {"kind": "file", **self.holding.description}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The one image, or one an HDU.

        Raises:
            NotFound: the file is gone.
        """
        for holder in self.holding.files():
            path = self.holding.locate(holder.path)
            numbers = image_hdus(path) if is_fits(holder.name) else []
            names = [(f"{holder.name}#{n}", f"hdu:{n}") for n in numbers] if len(numbers) > 1 else [(holder.name, "")]
            for key, inner in names:
                yield ImageRef(key, holder.path, inner, holder.size, holder.mtime_ns)

    def columns(self) -> "pa.Table | None":
        """None: a file says nothing of itself."""
        return None

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of the file, or of one HDU."""
        return read_local(self.holding.locate(ref.path), ref)
