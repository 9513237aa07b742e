"""Clustering: groups of rows with everything that is needed to put new rows into them and to judge them."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from boda import keys as key_forms
from boda.arrays import StoredFeatures
from boda.clusters.agreement import Labels
from boda.clusters.methods import fit
from boda.clusters.predicting import ClassMap
from boda.clusters.rules import Rule, rule_of
from boda.clusters.space import Floats, Space
from boda.errors import Damaged, NewerFormat, Refused
from boda.evaluation.plain import as_plain
from boda.keys import shown
from boda.recipe import Recipe

FORMAT = 1
"""Of a saved clustering."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """Rows in clusters, and the rule by which new rows go where they would have gone."""

    method: str
    asked: int | None
    """The k that was asked for; None where the method found it."""
    seed: int
    restarts: int
    recipe: Recipe
    """Of the features."""
    width: int
    """Of the features: d."""
    keys: Sequence[str]
    """(n,)"""
    labels: Labels
    """(n,) the cluster of each row, the largest cluster is 0; -1 is in none."""
    rule: Rule
    inertia: float | None
    """Sum of squared distances to the centres, where it is what the method makes small."""
    class_map: ClassMap | None = None
    """Which class each cluster is, where classes were learned."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, as plain JSON."""

    @property
    def k(self) -> int:
        """How many clusters there are; fewer than were asked for, if some would have been empty."""
        return len(self.rule.centres)

    def assign(self, features: StoredFeatures, *, recipe: str) -> tuple[Labels, Floats]:
        """Put rows into clusters, as the rows were that they were found in.

        Those same rows get the same clusters again. Where no centre decides (hdbscan, agglomerative) a row goes where
        the nearest of them went, which is in no cluster if that one is in none.

        Args:
            features: (n, d), finite.
            recipe: the id of theirs.

        Returns:
            (n,) int32, -1 for none; (n,) Euclidean distances to the centre, or to the row that decided, in the space
            of the rule.

        Raises:
            Refused: features of another recipe or width, or NaN or infinity in a row.
        """
        if recipe != self.recipe.id:
            raise Refused(
                f"these clusters were found in {shown(self.recipe.name)} ({self.recipe.id}), but these features are "
                f"of recipe {recipe}: embed these images with {shown(self.recipe.name)}"
            )
        if features.ndim != 2 or features.shape[1] != self.width:
            raise Refused(f"clusters of features of width {self.width} cannot take features of shape {features.shape}")
        return self.rule.assign(features)

    def files(self) -> dict[str, bytes]:
        """The clustering as `clustering.json`, `keys.json`, `labels.npy`, and the arrays of its rule; no pickle.

        `from_files` undoes it.
        """
        arrays = {f"rule.{name}": array for name, array in self.rule.arrays().items()} | {"labels": self.labels}
        space = self.rule.space
        if space.mean is not None and space.basis is not None:
            arrays |= {"space.mean": space.mean, "space.basis": space.basis}
        files = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
        files["keys.json"] = json.dumps([key_forms.to_json(key) for key in self.keys], ensure_ascii=False).encode()
        record = self.as_json() | {"files": {name: sha256(data).hexdigest() for name, data in files.items()}}
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        return {"clustering.json": text.encode(), **files}

    def as_json(self) -> dict[str, Any]:
        """All of it but keys and arrays, as plain JSON."""
        return {
            "format": FORMAT,
            "method": self.method,
            "k": self.k,
            "asked": self.asked,
            "seed": self.seed,
            "restarts": self.restarts,
            "recipe": self.recipe.as_json(),
            "rows": len(self.labels),
            "width": self.width,
            "rule": self.rule.kind,
            "unit": self.rule.space.unit,
            "inertia": as_plain(self.inertia),
            "class_map": None if self.class_map is None else self.class_map.as_json(),
            "facts": as_plain(self.facts),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> "Clustering":
        """The clustering that `files` wrote.

        Args:
            files: by name.
            where: they are from, for errors.

        Raises:
            Damaged: they are not all there, or do not fit each other.
            NewerFormat: a newer boda wrote them.
        """
        if "clustering.json" not in files:
            raise Damaged(f"{where}: no clustering, as it has no clustering.json")
        try:
            record = json.loads(files["clustering.json"])
            if record["format"] > FORMAT:
                raise NewerFormat(
                    f"{where}: a clustering of format {record['format']}, this boda knows {FORMAT}; update boda"
                )
            for name, digest in record["files"].items():
                if name not in files or sha256(files[name]).hexdigest() != digest:
                    raise Damaged(f"{where}: {name} is not the one of this clustering; cluster again")
            return _from_record(record, files)
        except _UNREADABLE as error:
            raise Damaged(
                f"{where}: this clustering cannot be read ({type(error).__name__}: {error}); cluster again"
            ) from error


def find_clusters(
    features: StoredFeatures,
    method: str,
    k: int | None,
    *,
    keys: Sequence[str],
    recipe: Recipe,
    seed: int,
    restarts: int = 10,
) -> Clustering:
    """Cluster rows; the same seed gives the same clusters.

    Args:
        features: (n, d), finite.
        method: one of `methods.METHODS`.
        k: how many clusters; None for a method that finds that itself.
        keys: (n,) of the rows.
        recipe: of the features.
        seed: of all that is drawn.
        restarts: independent starts, of which the best is kept.

    Raises:
        Refused: what is asked for makes no sense for these rows or this method.
    """
    if len(keys) != len(features):
        raise Refused(f"{len(features)} rows of features cannot have {len(keys)} keys")
    found = fit(features, method, k, rng=np.random.default_rng(seed), restarts=restarts)
    labels, inertia = found.partition.labels, found.partition.inertia
    width = features.shape[1]
    return Clustering(method, k, seed, restarts, recipe, width, keys, labels, found.rule, inertia)


_UNREADABLE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, ArithmeticError, RecursionError, MemoryError
)  # fmt: skip
"""What reading a file can end in that nobody vouches for."""


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _from_record(record: Mapping[str, Any], files: Mapping[str, bytes]) -> Clustering:
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(data), allow_pickle=False)
        for name, data in files.items()
        if name.endswith(".npy") and name in record["files"]
    }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("an array is not finite")
    labels = arrays["labels"].astype(np.int32)
    basis = arrays.get("space.basis")
    space = Space(record["unit"] is True, arrays["space.mean"] if basis is not None else None, basis)
    parts = {name.removeprefix("rule."): array for name, array in arrays.items() if name.startswith("rule.")}
    told = record["class_map"]
    found = Clustering(
        method=str(record["method"]),
        asked=record["asked"],
        seed=record["seed"],
        restarts=record["restarts"],
        recipe=Recipe.from_json(record["recipe"]),
        width=int(record["width"]),
        keys=tuple(_key(one) for one in json.loads(files["keys.json"])),
        labels=labels,
        rule=rule_of(record["rule"], space, parts, labels),
        inertia=record["inertia"],
        class_map=None if told is None else ClassMap.from_json(told),
        facts=record["facts"],
    )
    _try_out(found)
    return found


def _key(told: str | Mapping[str, str]) -> str:
    return told if isinstance(told, str) else key_forms.from_bytes(bytes.fromhex(told["bytes"]))


def _try_out(clustering: Clustering) -> None:
    """Raise a ValueError where its parts do not fit each other."""
    labels, k = clustering.labels, clustering.k
    if labels.shape != (len(clustering.keys),) or labels.min(initial=0) < -1 or labels.max(initial=-1) >= k:
        raise ValueError("labels do not fit keys and centres")
    if clustering.class_map is not None and len(clustering.class_map.of) != k:
        raise ValueError("the classes do not fit the clusters")
    clustering.rule.assign(np.ones((1, clustering.width), np.float32))
