"""The table that lies with the images of a folder, as Hugging Face's imagefolder has it."""

import logging
import os
from typing import TYPE_CHECKING

from boda.errors import NotFound
from boda.keys import shown
from boda.sources.columns import one_row_a_key, values
from boda.sources.tables import read_keyed

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_NAMES = (b"metadata.csv", b"metadata.jsonl")


def find_metadata(folder: bytes) -> str | None:
    """The path of a folder's `metadata.csv` or `metadata.jsonl`, looked for in this order; None where there is none."""
    paths = (folder + b"/" + name for name in _NAMES)
    return next((os.fsdecode(path) for path in paths if os.path.isfile(path)), None)  # noqa: PTH113 - bytes


def read_metadata(path: str) -> "pa.Table | None":
    """`key` (binary: the `file_name`), then the other columns; None, and a warning, where it has no `file_name`.

    Raises:
        SourceError: it cannot be read, or two rows of one file say different things.
    """
    import pyarrow as pa

    try:
        table = read_keyed(path, "file_name")
    except NotFound:
        log.warning("%s has no column file_name; its columns are not used", shown(path))
        return None
    named = table.filter(table.column("key").is_valid())
    keys = [key.removeprefix(b"./") for key in values(named.column("key"))]
    return one_row_a_key(named.set_column(0, "key", pa.array(keys, pa.binary())), path)[0]
