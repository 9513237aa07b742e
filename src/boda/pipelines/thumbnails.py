"""Small pictures of images, decoded where all images are: in processes that may die."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from boda.arrays import Pixels
from boda.cores import cores
from boda.errors import BodaError
from boda.pictures.sheet import thumbnail
from boda.pipelines.decoded import decoded
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import Blob, Description, ImageRef, Source, Unlistable
from boda.sources.opening import open_described
from boda.unreadable import BadImage, Unreadable
from boda.workspace.workspace import Workspace

_PAPER = (255, 255, 255)


def seen(source: Source, refs: Sequence[ImageRef], spec: PixelSpec) -> list[Pixels | Unreadable]:
    """The pixels (h, w, 3) of each image, or why there are none.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    found: list[Pixels | Unreadable] = []
    for page in decoded(source, refs, spec, workers=min(cores(), max(1, len(refs)))):
        found += [bad or one.copy() for one, bad in zip(page.pixels, page.verdicts, strict=True)]
    return found


def source_of(workspace: Workspace) -> Source | None:
    """Where the images of a workspace are, if they still are there: results are shown without, too."""
    try:
        return open_described(workspace.source) if workspace.source else None
    except (BodaError, OSError):
        return None


def thumbnails(
    source: Source,
    refs: Sequence[ImageRef],
    side: int,
    recipe: Recipe | None = None,
    *,
    paper: tuple[int, int, int] = _PAPER,
) -> list[Image.Image | Unreadable]:
    """Each image whole and upright in the middle of a square, or why it cannot be shown.

    Args:
        source: of the images.
        refs: which.
        side: of the square, in pixels; smaller images are not enlarged.
        recipe: whose stretch and range are used for FITS and 16-bit files.
        paper: the colour of the square.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    square = PixelSpec(resize=(side, side), crop=None)
    small = seen(_Fitted(source, side, recipe, paper), refs, square)
    return [one if isinstance(one, Unreadable) else Image.fromarray(one) for one in small]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The images of a source, each as a square PNG that shows all of it.

    A decoder knows no other shapes than those that a `PixelSpec` fixes; so the fitting is part of reading, which the
    same process does under the same limits.
    """

    source: Source
    side: int
    recipe: Recipe | None
    paper: tuple[int, int, int]
    ignored: int = 0

    @property
    def description(self) -> Description:
        """The source's: it says whether decoders need the network."""
        return self.source.description

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The source's."""
        return self.source.entries()

    def columns(self) -> None:
        """Nothing is asked of pictures but to be seen."""

    def read(self, ref: ImageRef) -> Blob:
        """The picture of an image.

        Raises:
            BadImage: it cannot be read or decoded.
        """
        blob = self.source.read(ref)
        small = thumbnail(blob.data, self.side, self.recipe)
        if isinstance(small, Unreadable):
            raise BadImage(small.stage, small.code, small.reason)
        square = Image.new("RGB", (self.side, self.side), self.paper)
        square.paste(small, ((self.side - small.width) // 2, (self.side - small.height) // 2))
        into = BytesIO()
        square.save(into, "PNG", compress_level=1)
        return Blob(into.getvalue(), blob.size, blob.mtime_ns)
