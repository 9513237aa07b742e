"""Pictures, arrays and tables as the bytes of a file, for folders that are written file by file."""

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    import pyarrow as pa


def as_png(picture: Image.Image) -> bytes:
    """The file of a picture."""
    into = BytesIO()
    picture.save(into, "PNG", optimize=False)
    return into.getvalue()


def as_npy(array: npt.NDArray[Any]) -> bytes:
    """The file of an array, without pickle."""
    into = BytesIO()
    np.save(into, np.ascontiguousarray(array), allow_pickle=False)
    return into.getvalue()


def as_csv(columns: Mapping[str, Any]) -> bytes:
    """The file of a table, by columns of one length; NaN is empty."""
    import pyarrow as pa

    return table_as_csv(pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()}))


def table_as_csv(table: "pa.Table") -> bytes:
    """The file of a table whose columns have their types already."""
    from pyarrow import csv

    into = BytesIO()
    csv.write_csv(table, into)
    return into.getvalue()
