"""Without labels: what a small autoencoder makes of the images, which groups there are, a map, and what is amiss."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from boda.keys import shown
from boda.pictures.page import Block, Figure, Ranked, Section, Table, Words, data_uri
from boda.pictures.wording import ABSENT
from boda.pipelines.cluster import Clustered, cluster
from boda.pipelines.demonstration.album import Album
from boda.pipelines.embed import embed
from boda.pipelines.inspect import Inspection
from boda.pipelines.label import label
from boda.pipelines.map_points import Mapped, map_points
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.train_network import TrainedNetwork, train_network

if TYPE_CHECKING:
    from boda.workspace.workspace import Workspace

NET, SIDE, SETTINGS = "autoencoder?stages=16-32&features=32", 16, {"epochs": 20, "batch": 32}
"""Small enough to be trained in seconds on two cores; in half as many steps it learns only the mean of all images."""
_KS = (2, 5, 10)
_TYPICAL = 7
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """What was found without looking at labels."""

    workspace: "Workspace"
    """Of the images that were grouped and mapped."""
    network: TrainedNetwork | None
    """The autoencoder their features are of; None: they are those of the demonstration."""
    clustered: Clustered
    mapped: Mapped
    inspection: Inspection
    """Of all images of the demonstration."""

    def as_json(self) -> dict[str, Any]:
        """The figures that count, each with what stands beside it."""
        measured = self.mapped.record["measured"]
        return {
            "autoencoder": None if self.network is None else self.network.best["validation_loss"],
            "supported_k": self.clustered.supported_k,
            "verdict": self.clustered.record["verdict"],
            "map": {name: measured[name] for name in ("trustworthiness", "continuity", "kept") if name in measured},
            "findings": {one.name: len(one.images) for one in self.inspection.findings if one.images},
        }


def explore(
    workspace: "Workspace",
    scored: str,
    inspection: Inspection,
    *,
    small: Path | None,
    labels: Path,
    seed: int,
    progress: OnProgress | None = None,
) -> Unlabelled:
    """Train an autoencoder, and group and map its features. Goes on where it was stopped.

    Args:
        workspace: of the demonstration.
        scored: the column of classes that groups are compared with afterwards, and points coloured by.
        inspection: of the demonstration, made before anything was learned.
        small: a folder of small images that an autoencoder learns; None: groups and map are of the features there.
        labels: the table to join.
        seed: of everything random.
        progress: is told how training goes.
    """
    folder = workspace.path.parent
    network, grouped = None, workspace
    if small is not None:
        network = train_network(
            small, net=NET, size=SIDE, settings=SETTINGS, seed=seed, to=folder / "autoencoder",
            progress=progress,
        )  # fmt: skip
        grouped = embed(small, encoders=[network.encoder], to=folder / f"{small.name}.boda")
        label(grouped, labels)
    clustered = cluster(grouped, _KS, labels=scored, seed=seed)
    mapped = map_points(grouped, colour=scored, seed=seed)
    return Unlabelled(grouped, network, clustered, mapped, inspection)


def groups_section(found: Unlabelled, what: str) -> Section:
    """The groups, how stable they are, and what they have to do with the classes nobody told."""
    record = found.clustered.record
    made = (
        f"An autoencoder, a network that makes {record['width']} numbers of each image and the image of these again, "
        f"learned from {found.network.training:,} of the {what} alone, without a label"
        if found.network is not None
        else f"The features of the {what}, and no label"
    )
    rows = []
    for one in record["clusterings"]:
        agreement = one["classes"]["agreement"]["ari"]
        rows.append(
            (
                f"{one['k']}",
                _halves(one["stability"]),
                "yes" if one["supported"] else "no",
                f"{agreement['value']:.2f} ({agreement['low']:.2f} to {agreement['high']:.2f})",
            )
        )
    last = found.clustered.found[-1]
    album = Album(found.workspace, found.clustered.recipe)
    keys = last.clustering.keys
    blocks: list[Block] = [
        Words(f"{made}. k-means puts these numbers into groups: {record['verdict']}."),
        Table(("groups", "two halves find the same (ARI)", "supported", "the classes (ARI)"), rows),
        Words(
            f"The largest {_SHOWN} of {last.clustering.k} groups: the image at the middle, then those nearest to it."
        ),
    ]
    for number in range(min(_SHOWN, last.clustering.k)):
        typical = [keys[row] for row in last.members.typical(number, _TYPICAL)]
        pictures = [album.picture(key, side=96) for key in typical]
        blocks.append(Ranked(album.picture(typical[0], f"group {number}", side=128), pictures[1:]))
    return Section("Groups, without labels", blocks)


def _halves(stability: Any) -> str:
    """How far two halves of the images agree; nothing where they are too few to be cut in two."""
    if stability is None:
        return ABSENT
    halves = stability["found"]["halves"]
    return f"{halves['mean']:.2f} ({halves['low']:.2f} to {halves['high']:.2f})"


def map_section(found: Unlabelled) -> Section:
    """The map, its errors, and what it does not show."""
    measured = found.mapped.record["measured"]
    told = [
        (name, f"{one['value']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}")
        for name, one in ((name, measured[name]) for name in ("trustworthiness", "continuity", "kept"))
    ]
    with Image.open(found.mapped.picture) as opened:
        drawn = opened.convert("RGB")
    drawn.thumbnail((900, 900))
    words = (
        f"Each of the {len(found.mapped.keys):,} images as a point, by t-SNE; like images should be near each other. "
        f"How far that is true stands below. With pictures under the pointer it is in {_beside(found.mapped.page)}."
    )
    return Section(
        "A map with error bars",
        [
            Words(words),
            Figure(data_uri(drawn, quality=85), "The map, coloured by classes that it did not see.", drawn.width),
            Table(("what", "share", "90 % interval"), told),
            Words(" ".join(found.mapped.record["limits"])),
        ],
    )


def health_section(found: Unlabelled) -> Section:
    """What somebody should look at before learning from these images."""
    rows = [
        (one.name, f"{len(one.images):,}", shown(one.images[0].key), one.told_by)
        for one in found.inspection.findings
        if one.images
    ]
    page = _beside(found.inspection.page)
    words = f"What is amiss in the collection, each with the first image it was found of; all of them are in {page}."
    return Section("The health of the collection", [Words(words), Table(("finding", "images", "as", "told by"), rows)])


def _beside(page: Path) -> str:
    """A page as it is named from the demonstration's own."""
    return f"{page.parent.name}/{page.name}"
