"""Questions: images are embedded, a head or clusters are made where one is needed, and a score is asked for.

Heads are plain ones, of the one feature set that was best alone in the recipe of their data; nothing is chosen here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

import boda
import galaxies_gz2
import houses
from autoencoders.idx import first_rows, found
from autoencoders.runs import Runs
from boda.clusters.stability import Effort
from boda.workspace.workspace import Workspace
from explained.looking import Question
from fashion_autoencoder import PRESET, PUBLISHED, WAYS
from pretrained_topk import CIFAR
from runs.feature_sets import MOBILENET_WEIGHTS, embedded
from runs.receipt import write

MERGER = "derived_label=merger"
SMOOTH = "t01_smooth_or_features_a01_smooth"
"""The answer of the tree of Galaxy Zoo 2."""
VALENCE = "Valence_mean"
CLOTHES, GROUPS = 2_000, 10
"""Images of Fashion-MNIST that are put into groups, and how many groups."""
SMALL = 400
"""Test images of CIFAR-10 that are embedded."""
QUERY = "images/Acorns_1.jpg"
"""The first image of OASIS."""
HITS = 50
_QUICK = Effort(halves=2, nulls=2, restarts=1)


@dataclass(frozen=True, slots=True)
class Here:
    """Where things are."""

    data: Path
    to: Path
    run: Path | None = None
    """A trained autoencoder; None: one is trained."""


def photographs(here: Here, network: str) -> Question:
    """The likeliest class of each photograph, by `auto` or `mobilenet`."""
    images = here.data / "imagenet_photos" / "images.tar"
    workspace, ids = embedded(images, ["auto", "mobilenet"], data=here.data, to=here.to / "photographs.boda")
    weights = here.data / MOBILENET_WEIGHTS if network == "mobilenet" else None
    return Question(workspace, ids[network], weights)


def cifar(here: Here, depth: int) -> Question:
    """The likeliest class of each test image of CIFAR-10, by a ResNet with published weights."""
    table, part = here.data / "cifar10_test" / "test.parquet", here.to / "cifar.parquet"
    if not part.is_file():
        here.to.mkdir(parents=True, exist_ok=True)
        pq.write_table(pq.read_table(table).slice(0, SMALL), part)
    weights = here.data / "weights" / CIFAR[depth][0]
    encoder = boda.load_encoder(f"resnet:resnet{depth}", weights=weights, precision="fp32")
    workspace = boda.embed(part, encoders=encoder, to=here.to / "cifar.boda")
    return Question(workspace, encoder.recipe.id, weights)


def merger(here: Here) -> Question:
    """That a galaxy is merging, of those that are said to."""
    workspace, inputs = _galaxies(here)
    head = boda.train(workspace, MERGER, inputs=inputs, name="merger", page=False)
    return Question(workspace, head=head, answer="merger", where="derived_label == 'merger'")


def smooth(here: Here) -> Question:
    """The share of people who call a galaxy smooth."""
    workspace, inputs = _galaxies(here)
    head = boda.train(
        workspace, galaxies_gz2.VOTES, tree="gz2", total="total_classifications", inputs=inputs, name="votes",
        page=False,
    )  # fmt: skip
    return Question(workspace, head=head, answer=SMOOTH)


def valence(here: Here) -> Question:
    """How pleasant people find a photograph, 1 to 7."""
    workspace, ids = _oasis(here)
    head = boda.train(
        workspace, VALENCE, inputs=ids["expanded gem"], scaling="normalised", groups="group", name="valence", page=False
    )
    return Question(workspace, head=head)


def hit(here: Here) -> Question:
    """How like the first image its hits are, the likest first."""
    workspace, ids = _oasis(here)
    found = boda.search(workspace, row=QUERY, k=HITS, recipe=ids["auto"], to=here.to / "hits.png", force=True).hits
    return Question(workspace, ids["auto"], score=f"like:{QUERY}", rows=tuple(found.keys))


def price(here: Here) -> Question:
    """The price of a house, by four photographs side by side and its numbers; its front is explained."""
    folder = here.data / "houses"
    write(here.to / "houses.csv", houses.photographs(folder / "houses.csv"))
    workspace, ids = embedded(folder / "images.tar", ["mobilenet"], data=here.data, to=here.to / "houses.boda")
    boda.label(workspace, here.to / "houses.csv")
    head = boda.train(
        workspace, houses.TARGET, inputs=(ids["mobilenet"], *houses.NAMED), scaling="normalised", unit="house",
        view="view", name="price", page=False,
    )  # fmt: skip
    return Question(workspace, weights=here.data / MOBILENET_WEIGHTS, head=head, where="view == 'frontal'")


def clothes(here: Here) -> Question:
    """How far inside its group a piece of clothing is, by an autoencoder that knows no label."""
    folder = here.data / "fashion_mnist"
    test = found(folder, "t10k")
    run = here.run or Runs(here.to / "published", found(folder, "train"), test).trained(
        PUBLISHED, WAYS[PUBLISHED], preset=PRESET, settings={"epochs": 10}, seed=0
    ).folder  # fmt: skip
    images = first_rows(test, CLOTHES, here.to / "rows").images
    encoder = boda.load_encoder(f"run:{run}", precision="fp32")
    workspace = boda.embed(images, encoders=encoder, to=here.to / "clothes.boda")
    grouped = boda.cluster(workspace, GROUPS, effort=_QUICK, to=here.to / "clothes", page=False)
    (name,) = grouped.clusterings
    return Question(workspace, encoder.recipe.id, score=f"cluster:{name}")


def _galaxies(here: Here) -> tuple[Workspace, Sequence[str]]:
    """Not turned: a map over four directions at once would be nobody's."""
    folder = here.data / "galaxies_gz2"
    workspace, ids = embedded(folder / "images.tar", ["middle"], data=here.data, to=here.to / "galaxies.boda")
    boda.label(workspace, folder / "catalog.csv")
    return workspace, [ids["middle"]]


def _oasis(here: Here) -> tuple[Workspace, dict[str, str]]:
    folder = here.data / "oasis_ratings"
    workspace, ids = embedded(
        folder / "images.tar", ["auto", "expanded gem"], data=here.data, to=here.to / "oasis.boda"
    )
    boda.label(workspace, folder / "ratings.csv")
    return workspace, ids
