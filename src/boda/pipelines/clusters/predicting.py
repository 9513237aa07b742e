"""Which cluster each image of a workspace is in, and which class that means: one row an image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.clusters.clustering import Clustering
from boda.keys import from_text, to_json, to_text
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class ClusterPredictions:
    """One row an image, in the order of the listing."""

    name: str
    """Of the clustering."""
    clustering: Clustering
    keys: tuple[str, ...]
    clusters: npt.NDArray[np.int64]
    """(n,); -1 in none, or where there are no features."""
    distances: npt.NDArray[np.float64]
    """(n,) to the centre, or to the image that decided; NaN where there are no features."""
    trained_on: npt.NDArray[np.bool_] | None
    """(n,) whether the clusters were found in this image, so that its class is no test; None where nobody can say."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why keys have no cluster."""

    def __len__(self) -> int:
        return len(self.keys)

    def table(self) -> "pa.Table":
        """`key`, `cluster`, `distance`, `prediction` where it knows classes, `trained_on`, and `reason`."""
        import pyarrow as pa

        found: dict[str, Any] = {
            "key": [to_text(key) for key in self.keys],
            "cluster": pa.array(self.clusters, pa.int64(), mask=self.clusters < 0),
            "distance": pa.array(self.distances, pa.float64(), mask=np.isnan(self.distances)),
        }
        known = self.clustering.class_map
        if known is not None:
            names = np.array([*known.names, None], object)
            found["prediction"] = pa.array(names[known(self.clusters)].tolist(), pa.string())
        seen = self.trained_on
        found["trained_on"] = pa.nulls(len(self), pa.bool_()) if seen is None else pa.array(seen)
        found["reason"] = pa.array([self.reasons.get(key) for key in self.keys], pa.string())
        return pa.table(found)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: `{"clusters", "target", "predictions": [{"key", "cluster", "distance", "prediction", ...}]}`."""
        rows = self.table().to_pylist()
        for row, key in zip(rows, self.keys, strict=True):
            row["key"] = to_json(key)
            if row["reason"] is None:
                del row["reason"]
        known = self.clustering.class_map
        return {"clusters": self.name, "target": None if known is None else known.column, "predictions": rows}


def predict_clusters(
    workspace: Workspace, clustering: Clustering, name: str, home: Workspace | None
) -> ClusterPredictions:
    """Every listed image gets a row: its cluster, or the reason why it has none.

    Args:
        workspace: whose images.
        clustering: of features of the same recipe.
        name: of the clustering.
        home: the workspace it was found in, which knows its images by their content; None: nobody knows.

    Raises:
        NotFound: the workspace has no features of that recipe.
        Refused: it has, but of another width.
    """
    features = workspace.features(clustering.recipe)
    labels, distances = clustering.assign(features.array, recipe=features.recipe.id)
    table = workspace.frame()
    keys = tuple(from_text(key) for key in table["key"].to_pylist())
    row_of = {key: row for row, key in enumerate(features.keys)}
    rows = np.array([row_of.get(key, -1) for key in keys], np.intp)
    clusters, far = (
        np.append(values, end)[rows] for values, end in ((labels.astype(np.int64), -1), (distances, np.nan))
    )
    reasons = _reasons(workspace, clustering.recipe.id, [key for key in keys if key not in row_of])
    loose = {key: "in no cluster" for key, row in zip(keys, rows, strict=True) if row >= 0 and labels[row] < 0}
    seen = None if home is None else _seen(home, clustering, table["content"].to_pylist())
    return ClusterPredictions(name, clustering, keys, clusters, far, seen, reasons | loose)


def _reasons(workspace: Workspace, recipe: str, absent: list[str]) -> dict[str, str]:
    if not absent:
        return {}
    found = {one.key: str(one.unreadable) for one in workspace.quarantined(recipe)}
    return {key: found.get(key, "not embedded yet") for key in absent}


def _seen(home: Workspace, clustering: Clustering, contents: list[str | None]) -> npt.NDArray[np.bool_]:
    """(n,) whether the clusters were found in an image of this content."""
    table, own = home.frame(), set(clustering.keys)
    keys = (from_text(key) for key in table["key"].to_pylist())
    known = {content for key, content in zip(keys, table["content"].to_pylist(), strict=True) if key in own}
    return np.array([content is not None and content in known for content in contents], bool)
