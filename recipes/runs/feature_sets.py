"""Feature sets of two encoders that need no hub, made in one pass over the images.

EfficientNet-Lite0 (`auto`) and MobileNetV2 are alike: a last block widens its map, squeezes it to 320 channels and
widens it again to 1,280, whose mean over places is what the models call their features. Besides these there are

    expanded   the 1,152 channels inside the last block of `auto`, before the squeeze towards the classes of ImageNet
    middle     672 channels of `auto` on 14 x 14 places, of textures and parts rather than things

with their `mean` over places, or `gem`, which leans towards the places where a channel is strong.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import boda
from boda.encoders.base import Encoder
from boda.encoders.taking import taken
from boda.errors import NotFound
from boda.sources.base import Source
from boda.workspace.workspace import Workspace

MOBILENET_WEIGHTS = Path("weights") / "mobilenet_v2-b0353104.pth"
"""In the folder of data."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """What is taken from which network; None: as the model pools itself."""

    network: str
    layer: str | None = None
    pooling: str | None = None


_EXPANDED, _MIDDLE, _MOBILENET = "blocks.6.0.bn1.act", "blocks.5.0.bn1.act", "timm:mobilenetv2_100"
SETS = {
    "auto": FeatureSet("auto"),
    "expanded": FeatureSet("auto", _EXPANDED, "mean"),
    "expanded gem": FeatureSet("auto", _EXPANDED, "gem"),
    "middle": FeatureSet("auto", _MIDDLE, "mean"),
    "mobilenet": FeatureSet(_MOBILENET),
}
"""By the names that tables show."""


def embedded(
    source: str | os.PathLike[str] | Source, names: Iterable[str], *, data: Path, to: Path
) -> tuple[Workspace, dict[str, str]]:
    """Embed images with several feature sets: one read, one decode, one pass through each network.

    Args:
        source: as of `boda.embed`.
        names: of `SETS`.
        data: the folder of data, where the weights of MobileNetV2 are.
        to: the workspace; a run that was stopped goes on.

    Returns:
        The workspace, and by name the id of each feature set, which is how inputs are called.

    Raises:
        NotFound: no such feature set.
        BodaError: as `boda.embed`.
    """
    wanted = {name: _asked(name) for name in names}
    networks = {one.network: _network(one.network, data) for one in wanted.values()}
    encoders = {name: taken(networks[one.network], one.layer, one.pooling) for name, one in wanted.items()}
    workspace = boda.embed(source, encoders=list(encoders.values()), to=to)
    return workspace, {name: encoder.recipe.id for name, encoder in encoders.items()}


def _asked(name: str) -> FeatureSet:
    if name not in SETS:
        raise NotFound(f"no feature set {name!r}; one of {', '.join(SETS)}")
    return SETS[name]


def _network(name: str, data: Path) -> Encoder:
    weights = data / MOBILENET_WEIGHTS if name == _MOBILENET else None
    return boda.load_encoder(name, weights=weights, precision="fp32")
