"""Endings of file names. They choose how a whole source is opened; whether a file is an image only its bytes say."""

IMAGE = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".avif", ".avifs", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        *(".ico", ".qoi", ".sgi", ".rgb", ".bw", ".psd", ".fits", ".fit", ".fts"),
    }
)
FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz")
TAR = (".tar", ".tar.gz", ".tgz")
PARQUET = (".parquet", ".pq")
TABLE = (".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz")
"""Of manifests, besides Parquet."""


def ending(name: str) -> str:
    """The last ending of a name, in lower case, with its dot; "" where there is none.

    >>> ending("photos/Cat.JPG"), ending("README"), ending(".hidden")
    ('.jpg', '', '')
    """
    base = name.rpartition("/")[2]
    stem, dot, last = base.rpartition(".")
    return (dot + last).lower() if stem else ""


def has_ending(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a name ends like one of these, in any case."""
    return name.lower().endswith(endings)


def like_an_image(name: str) -> bool:
    """Whether a name could be an image's: an image's ending, or none at all."""
    last = ending(name)
    return not last or last in IMAGE or has_ending(name, FITS)
