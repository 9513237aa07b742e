"""Where maps are kept: in a workspace by name, as arrays and JSON."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Damaged, NewerFormat, NotFound
from boda.keys import from_bytes, shown, to_json
from boda.maps.mapping import Layout, Settings
from boda.maps.space import Space
from boda.sources.walking import is_workspace
from boda.workspace.features import FeatureSet
from boda.workspace.workspace import Workspace, open_workspace

KIND = "map"
"""Of a result in a workspace."""
FORMAT = 1
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KeptMap:
    """A map of the images of a workspace, with what is known of each point."""

    name: str
    recipe: str
    """Id of the recipe of the features."""
    settings: Settings
    space: Space
    keys: tuple[str, ...]
    """(n,), in the order of the frame."""
    contents: tuple[str, ...]
    """(n,) SHA-256 of the bytes of each image when it was mapped, hex; "" where it was not known."""
    places: _Floats
    """(n, 2) or (n, 3)."""
    placed: npt.NDArray[np.bool_]
    """(n,): laid on the map later; the others made it."""
    points: Mapping[str, _Floats]
    """(n,) each, NaN where it was not measured: `trustworthiness`, `continuity`, `kept`, `disagreement`."""
    record: Mapping[str, Any]
    """What was measured, and of what the map was made, as plain JSON."""

    @property
    def layout(self) -> Layout:
        """Its points as the map of the images that made it has them."""
        return Layout(self.places[~self.placed], self.space)

    def files(self) -> dict[str, bytes]:
        """`map.json`, `keys.json` and arrays; nothing in them is code."""
        head = {
            "format": FORMAT,
            "name": self.name,
            "recipe": self.recipe,
            "settings": self.settings.as_json(),
            "record": dict(self.record),
        }
        keys = {"keys": [to_json(key) for key in self.keys], "contents": list(self.contents)}
        arrays = {
            "places": self.places,
            "placed": self.placed,
            "mean": self.space.mean,
            "directions": self.space.directions,
            "shares": self.space.shares,
            **self.points,
        }
        return {
            "map.json": json.dumps(head, indent=1, allow_nan=False).encode(),
            "keys.json": json.dumps(keys, allow_nan=False).encode(),
            **{f"{name}.npy": _packed(array) for name, array in arrays.items()},
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> "KeptMap":
        """The map that `files` wrote.

        Raises:
            NewerFormat: a newer boda wrote it.
            Damaged: it makes no sense.
        """
        try:
            head, keys = json.loads(files["map.json"]), json.loads(files["keys.json"])
            if head["format"] > FORMAT:
                raise NewerFormat(f"{where}: written by a newer boda; update boda to read it")
            arrays = {name.removesuffix(".npy"): _unpacked(data) for name, data in files.items() if name[-4:] == ".npy"}
            settings = Settings(**head["settings"])
            own = [arrays.pop(name) for name in ("mean", "directions", "shares", "places", "placed")]
            found = cls(
                head["name"],
                head["recipe"],
                settings,
                Space(settings.metric, *own[:3]),
                tuple(one if isinstance(one, str) else from_bytes(bytes.fromhex(one["bytes"])) for one in keys["keys"]),
                tuple(keys["contents"]),
                own[3],
                own[4],
                arrays,
                head["record"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{where}: it is no map as boda writes them ({error}); make it again: boda map") from error
        n = len(found.keys)
        if found.places.shape != (n, settings.dims) or any(len(one) != n for one in (own[4], *arrays.values())):
            raise Damaged(f"{where}: keys and points differ in number; make it again: boda map")
        return found


def load_map(name: str | os.PathLike[str], workspace: Workspace) -> tuple[KeptMap, Workspace]:
    """A map by its name in a workspace, or by `OTHER.boda/NAME`; and the workspace that has it.

    Raises:
        NotFound: there is none; lists what is there.
        Damaged, NewerFormat: it cannot be read.
    """
    asked = os.fspath(name)
    above, _, last = asked.rpartition("/")
    if above and is_workspace(os.fsencode(above)):
        workspace, asked = open_workspace(above), last
    files = workspace.result(KIND, asked)
    return KeptMap.from_files(files, f"{workspace.path}: map {shown(asked)}"), workspace


def keep_map(kept: KeptMap, workspace: Workspace) -> None:
    """Keep a map in the workspace under its name, in place of one that has this name.

    Raises:
        Busy, ReadOnly, DiskTrouble: the workspace cannot be written now.
    """
    summary = {
        "recipe": kept.recipe,
        "method": kept.settings.method,
        "dims": kept.settings.dims,
        "points": len(kept.keys),
        "placed": int(kept.placed.sum()),
        "trustworthiness": kept.record["measured"]["trustworthiness"],
    }
    with workspace.write() as writer:
        writer.put_result(KIND, kept.name, kept.files(), summary=summary)


def contents_of(workspace: Workspace, features: FeatureSet) -> tuple[str, ...]:
    """SHA-256 of the bytes of each image with features, hex, in their order."""
    from boda.keys import from_text

    frame = workspace.frame().select(["key", "content"])
    known = dict(zip(map(from_text, frame["key"].to_pylist()), frame["content"].to_pylist(), strict=True))
    return tuple(known.get(key) or "" for key in features.keys)


def still_there(kept: KeptMap, workspace: Workspace) -> tuple[KeptMap, FeatureSet, npt.NDArray[np.int64]]:
    """The points of a map whose images are as they were, their features, and (n,) the row of each.

    Raises:
        NotFound: the features are gone, or all images are.
    """
    features = workspace.features(kept.recipe)
    contents = contents_of(workspace, features)
    rows = {pair: row for row, pair in enumerate(zip(features.keys, contents, strict=True))}
    found = [rows.get(pair, -1) for pair in zip(kept.keys, kept.contents, strict=True)]
    there = np.array(found, np.int64)
    same = there >= 0
    if not same.any():
        raise NotFound(
            f"{workspace.path}: none of the {len(found):,} images of map {shown(kept.name)} is there as it was"
        )
    left = replace(
        kept,
        keys=tuple(key for key, is_there in zip(kept.keys, same, strict=True) if is_there),
        contents=tuple(one for one, is_there in zip(kept.contents, same, strict=True) if is_there),
        places=kept.places[same],
        placed=kept.placed[same],
        points={name: values[same] for name, values in kept.points.items()},
    )
    return left, features, there[same]


def _packed(array: npt.NDArray[Any]) -> bytes:
    into = BytesIO()
    np.save(into, np.ascontiguousarray(array), allow_pickle=False)
    return into.getvalue()


def _unpacked(data: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(BytesIO(data), allow_pickle=False)
    return array
