"""What a run did, as JSON: the report that the command line prints and the catalogue keeps."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from boda.encoders.base import Encoder
from boda.keys import to_json
from boda.pipelines.run.computing import Computing
from boda.workspace.workspace import Workspace

FEWEST_FOR_A_SHARE = 100
"""Images below which starting up is most of a run, and a share of the limit says nothing."""


def report(
    workspace: Workspace, encoders: Sequence[Encoder], computing: Computing, besides: Mapping[str, Any]
) -> dict[str, Any]:
    """Counts of the latest listing, each recipe, pace and what held it back.

    Args:
        workspace: as it is now.
        encoders: of the run.
        computing: what was computed, and what it cost.
        besides: what only the run knows: `skipped`, `ignored`, `seconds`, `listing`.
    """
    counts, meter = workspace.counts([encoder.recipe.id for encoder in encoders]), computing.meter
    rate = meter.done / meter.seconds if meter.done else 0.0
    limit = meter.limit() if meter.done >= FEWEST_FOR_A_SHARE else None
    return {
        "workspace": to_json(str(workspace.path)),
        "listed": counts.listed,
        "embedded": counts.embedded,
        "quarantined": counts.quarantined,
        "recipes": [_of_recipe(workspace, encoder) for encoder in encoders],
        "images_per_s": round(rate, 2),
        "limit_share": round(rate / limit, 3) if limit else None,
        "bottleneck": meter.bottleneck(),
        "reasons": counts.by_reason,
        "changed_since_listing": computing.changed_since_listing,
        "largest_piece": computing.largest_piece,
        **besides,
    }


def _of_recipe(workspace: Workspace, encoder: Encoder) -> dict[str, Any]:
    recipe, counts = encoder.recipe, workspace.counts([encoder.recipe.id])
    return {
        "id": recipe.id,
        "name": recipe.name,
        "layer": recipe.layer,
        "pooling": recipe.pooling,
        "precision": recipe.precision,
        "width": encoder.width,
        "device": encoder.device,
        "embedded": counts.embedded,
        "quarantined": counts.quarantined,
    }


def versions() -> dict[str, str]:
    """What computed: for the record of a run, not part of any recipe."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("boda", "numpy", "pillow", "torch", "timm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
