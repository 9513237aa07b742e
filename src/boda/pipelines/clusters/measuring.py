"""Measuring: what is said of a clustering once it is found, as objects and as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boda.clusters.clustering import Clustering
from boda.clusters.members import Members, members
from boda.clusters.silhouette import Silhouette, silhouette
from boda.clusters.stability import Sweep
from boda.evaluation.plain import as_plain
from boda.keys import to_json
from boda.pipelines.clusters.classes import Classes
from boda.pipelines.clusters.examples import Examples, examples_of
from boda.workspace.features import FeatureSet


@dataclass(frozen=True, eq=False)
class Found:
    """One clustering with all that was measured of it."""

    name: str
    """Under which it is kept."""
    clustering: Clustering
    members: Members
    examples: Sequence[Examples]
    """(k,)"""
    silhouette: Silhouette
    classes: Classes | None


def measure(name: str, clustering: Clustering, features: FeatureSet, classes: Classes | None, seed: int) -> Found:
    """Measure a clustering: members, examples and silhouette."""
    measured = members(features.array, clustering.rule, clustering.labels)
    rng = np.random.default_rng([seed, 13])
    shape = silhouette(features.array, clustering.labels, k=clustering.k, rng=rng, space=clustering.rule.space)
    return Found(name, clustering, measured, examples_of(measured, features.keys), shape, classes)


def record_of(
    workspace: str, features: FeatureSet, found: Sequence[Found], stability: Sweep, labels: str | None
) -> dict[str, Any]:
    """All figures."""
    first = found[0].clustering
    return {
        "workspace": to_json(workspace),
        "recipe": features.recipe.id,
        "encoder": features.recipe.name,
        "method": first.method,
        "rows": len(features),
        "width": features.array.shape[1],
        "seed": first.seed,
        "restarts": first.restarts,
        "labels": labels,
        "supported_k": stability.verdict.k,
        "verdict": stability.verdict.words,
        "clusterings": [_told(one, stability) for one in found],
    }


def _told(found: Found, stability: Sweep) -> dict[str, Any]:
    """One clustering."""
    k, asked, sizes = found.clustering.k, found.clustering.asked, found.members.sizes.tolist()
    again = next((one for one in stability.stabilities if one.asked == asked), None)
    against = stability.left_out.get(asked) or stability.verdict.against.get(asked)
    clusters = [
        {
            "cluster": number,
            "rows": sizes[number],
            "share": sizes[number] / len(found.clustering.labels),
            "jaccard": None if again is None else as_plain(again.found.clusters[number]),
            "silhouette": as_plain(found.silhouette.clusters[number]),
            **found.examples[number].as_json(),
        }
        for number in range(k)
    ]
    return {
        "name": found.name,
        "k": k,
        "asked": asked,
        "unclustered": found.members.unclustered,
        "inertia": as_plain(found.clustering.inertia),
        "silhouette": as_plain(found.silhouette.mean),
        "stability": None if again is None else again.as_json(),
        "supported": against is None,
        "against": against,
        "clusters": clusters,
        "classes": None if found.classes is None else found.classes.as_json(),
    }


def complete(found: Found, told: Mapping[str, Any]) -> Clustering:
    """The clustering as it is kept: with what was measured, and the class of each cluster."""
    class_map = found.classes.class_map if found.classes is not None else None
    return replace(found.clustering, class_map=class_map, facts=dict(told))


def summary_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What `boda info` shows of it."""
    halves = told["stability"]["found"]["halves"]["mean"] if told["stability"] else None
    summary = {"k": told["k"], "halves agree": halves, "supported": told["supported"]}
    return summary if told["classes"] is None else summary | {"classes": told["classes"]["column"]}
