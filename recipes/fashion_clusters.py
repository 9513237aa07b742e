"""Fashion-MNIST without labels: the published groups, and how near ten groups come to the ten classes.

Score   see fashion_clusters.md
Data    10,000 images of clothes, 28 x 28 grey pixels (Xiao, Rasul and Vollgraf, arXiv:1708.07747), and 60,000 others
        for the autoencoder: DATA/fashion_mnist
After   the published experiment: k-means of 512 autoencoder features with k = 2, 3, 7 and 10, classes by the mean of
        their cluster numbers; and N2D (McConville and others, arXiv:1908.05968), whose bests are an accuracy of 0.672
        and an NMI of 0.684
Run     python recipes/fashion_clusters.py DATA --to clusters/
        python recipes/fashion_clusters.py DATA --to clusters/ --run fashion/published/published-0 ...

Without --run the autoencoders are trained first, as recipes/fashion_autoencoder.py does. What took long is kept in the
folder, and the same command goes on with what was stopped.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boda
from autoencoders.idx import Idx, first_rows, found
from autoencoders.pca import pca
from autoencoders.runs import Runs, spread
from boda.clusters.agreement import adjusted_rand, table_of
from boda.clusters.classes import DESCRIBED, describe
from boda.clusters.grouping import WAYS as COMPARED_BY
from boda.clusters.methods import fit
from boda.clusters.stability import Effort, sweep
from boda.errors import BodaError, Refused
from clustered.kept import Kept, Rows
from clustered.published import CLASSES, KS, Labels, clustered, counts_of, pairs, regrouped, splits
from clustered.ways import WAYS, Scores, Study, Way
from fashion_autoencoder import PRESET, PUBLISHED
from fashion_autoencoder import WAYS as NETWORKS
from runs.receipt import footer, table, write

AUTOENCODER, AUTO, PIXELS, COMPONENTS = "autoencoder", "auto", "pixels", "50 principal components"
N2D = "N2D, published", "0.672", "0.684"
SPLIT_SEEDS = 20
LOOKED_FOR = (2, 3, 4, 5, 6, 7, 8, 10)
"""Numbers of clusters of which the supported one is looked for."""


@dataclass(frozen=True, eq=False)
class Material:
    """What is clustered."""

    truth: Labels
    features: Mapping[str, Sequence[Rows]]
    """By name; several where there are several trainings."""


def run(
    data: Path,
    to: Path,
    *,
    runs: Sequence[Path] = (),
    auto: bool = True,
    trainings: int = 3,
    seeds: int = 5,
    halves: int = 2,
    ways: Sequence[Way] = WAYS,
    rows: int | None = None,
    epochs: int = 10,
    looked_for: Sequence[int] = LOOKED_FOR,
    effort: Effort | None = None,
    device: str = "auto",
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Embed, cluster in all ways, compare.

    Args:
        data: the folder of data; `fashion_mnist` is used.
        to: where workspace, what was made of it and receipt go.
        runs: folders of trained autoencoders; none: they are trained here.
        auto: features of `auto` beside.
        trainings: how many autoencoders, if they are trained here.
        seeds: of every way to ten groups: 0, 1, ...
        halves: how often the rows are cut in two to see whether a way finds its groups again.
        ways: to ten groups.
        rows: images to train on, the first ones, and a sixth as many to cluster, at least 100; None: all.
        epochs: of autoencoders that are trained here.
        looked_for: numbers of clusters of which the supported one is looked for.
        effort: of that search.
        device: as of `boda.train_network`.
        tell: is told where it is.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    train = first_rows(found(data / "fashion_mnist", "train"), rows, to / "rows")
    test = first_rows(found(data / "fashion_mnist", "t10k"), None if rows is None else max(100, rows // 6), to / "rows")
    if not runs:
        trained = Runs(to / "published", train, test, device, tell)
        settings = {"epochs": epochs}
        runs = [
            trained.trained(PUBLISHED, NETWORKS[PUBLISHED], preset=PRESET, settings=settings, seed=seed).folder
            for seed in range(trainings)
        ]
    kept = Kept(to / "made")
    material = _material(to, train, test, runs, auto=auto)
    tell(f"{len(material.truth):,} images have features")
    parts = [_two_groups(material), _described(material, tell), _renumbered(material)]
    tell("the published experiment is done")
    parts.append(_ten(material, Study(kept, material.truth, len(CLASSES)), ways, range(seeds), range(halves), tell))
    parts.append(_supported(material, kept, looked_for, effort, tell))
    return "\n".join((*parts, footer(time.perf_counter() - began, range(seeds), of="embedding and clustering")))


def _material(to: Path, train: Idx, test: Idx, runs: Sequence[Path], *, auto: bool) -> Material:
    encoders = [boda.load_encoder(f"run:{folder}", precision="fp32") for folder in runs]
    more = [boda.load_encoder("auto", precision="fp32")] if auto else []
    workspace = boda.embed(test.images, encoders=[*encoders, *more], to=to / "test.boda")
    truth = test.classes().astype(np.int32)
    pixels = test.pixels()
    there = [workspace.features(one.recipe.id) for one in (*encoders, *more)]
    if any(len(one.array) != len(truth) for one in there):
        raise Refused(
            f"{to / 'test.boda'}: not all of the {len(truth):,} images have features; delete it and begin anew"
        )
    sets = [Rows.of(np.asarray(one.array, np.float32)) for one in there]
    features = {
        PIXELS: [Rows.of(pixels.reshape(len(pixels), -1) / 255)],
        COMPONENTS: [Rows.of(pca(train.pixels()).features(pixels, 50))],
        AUTOENCODER: sets[: len(encoders)],
    }
    return Material(truth, features | ({AUTO: sets[len(encoders) :]} if auto else {}))


def _two_groups(material: Material) -> str:
    """The published split, and how often it comes."""
    seeds, lines, shares = range(SPLIT_SEEDS), [], []
    named = {f"autoencoder {number}": one for number, one in enumerate(material.features[AUTOENCODER])}
    named |= {name: material.features[name][0] for name in (PIXELS, AUTO) if name in material.features}
    firsts = []
    for name, rows in named.items():
        for restarts in (10, 1):
            cut = splits(rows.array, material.truth, seeds, restarts=restarts)
            least, mean = cut.agreement.min(), cut.agreement.mean()
            lines.append([name, f"{restarts}", f"{cut.published} of {len(seeds)}", f"{mean:.4f}", f"{least:.4f}"])
            if restarts == 10:
                shares.append([name, *(f"{one[1] / one.sum():.3f}" for one in cut.sides)])
                firsts += [cut.labels[0]] if name.startswith(AUTOENCODER) else []
    between = pairs(firsts)
    across = f" Between autoencoders it is {spread(between, 4)} ({len(between)} pairs)." if len(between) else ""
    return (
        "## Two groups\n\nPublished: ankle boot, bag, sandal and sneaker against the other six. Counted are the seeds "
        "of k-means by which most images of each class lie so; the adjusted Rand index (ARI) is that of all pairs of "
        f"seeds.{across}\n\n{table(['features', 'starts', 'as published', 'ARI of seeds', 'least'], lines)}\n"
        f"Share of each class on the side of most of the four, first seed:\n\n{table(['features', *CLASSES], shares)}"
    )


def _described(material: Material, tell: Callable[[str], None]) -> str:
    """The published tables, with what the slip makes of them."""
    rows, truth, text, slips = material.features[AUTOENCODER][0].array, material.truth, [], []
    for k in KS:
        partition, far = clustered(rows, k)
        own, slipped = (describe(one, truth, classes=len(CLASSES)) for one in (partition.labels, far))
        text.append(f"\n### k = {k}\n\n{_description(own, slipped)}")
        with_slip, with_own = (adjusted_rand(table_of(truth, one)) for one in (far, partition.labels))
        slips.append(
            [
                f"{k}",
                f"{adjusted_rand(table_of(partition.labels, far)):.3f}",
                f"{np.sum(np.bincount(far, minlength=k) > 0)} of {k}",
                f"{np.bincount(far).max() / len(far):.2f}",
                f"{with_own:.3f}",
                f"{with_slip:.3f}",
            ]
        )
        tell(f"k = {k} is described")
    header = ["k", "ARI of both", "clusters with rows", "share of the largest", "ARI with classes", "by the slip"]
    return (
        "## The published tables, and the slip\n\nThe number of the cluster of each image, described class by class "
        "(first autoencoder). The code of the publication took the farthest centre for the nearest "
        "(`argmax(KMeans.fit_transform(X))`): the columns on the right.\n" + "".join(text) + "\n### What the slip "
        "does\n\nThe groups of the farthest centre beside those of the nearest: with two centres the numbers are "
        f"swapped and the groups are the same; with more they are others.\n\n{table(header, slips)}"
    )


def _description(own: Any, slipped: Any) -> str:
    columns = [DESCRIBED.index(one) for one in ("count", "mean", "std", "25%", "50%", "75%")]
    names = [DESCRIBED[one] for one in columns]
    lines = [
        [name, *(_short(names[at], own[row, one]) for at, one in enumerate(columns)),
         *(_short(names[at], slipped[row, one]) for at, one in enumerate(columns) if at)]
        for row, name in enumerate(CLASSES)
    ]  # fmt: skip
    return table(["class", *names, *(f"slip: {name}" for name in names[1:])], lines)


def _short(name: str, value: float) -> str:
    return f"{value:.2f}" if name in {"mean", "std"} else f"{value:g}"


def _renumbered(material: Material) -> str:
    """Classes in groups, by what is known of their clusters, and whether a numbering matters."""
    lines = []
    for k in KS:
        labels = clustered(material.features[AUTOENCODER][0].array, k)[0].labels
        ways, trivial = regrouped(counts_of(labels, material.truth, k))
        for by, one in ways.items():
            word = "trivial" if trivial else f"{one.same} of {one.tried}"
            groups = "each class by itself" if trivial else _groups(one.groups)
            lines.append([f"{k}", COMPARED_BY[by], groups, word])
    return (
        "## Classes grouped by their clusters\n\nAs many groups of classes as clusters, by k-means of what is known of "
        "each class. The numbers of clusters mean nothing, so a grouping that depends on them means nothing either: "
        f"counted are other numberings that give the same groups. {len(CLASSES)} classes in {len(CLASSES)} groups are "
        "*trivial*: one in each by construction, whatever the clusters.\n\n"
        + table(["k", "by", "groups", "the same after renumbering"], lines)
    )


def _groups(groups: Sequence[int]) -> str:
    parts = [[name for name, one in zip(CLASSES, groups, strict=True) if one == group] for group in sorted(set(groups))]
    return "; ".join(", ".join(part) for part in parts)


def _ten(
    material: Material,
    study: Study,
    ways: Sequence[Way],
    seeds: Sequence[int],
    halves: Sequence[int],
    tell: Callable[[str], None],
) -> str:
    """Every way to ten groups, and the one that is chosen without a label."""
    there = [way for way in ways if way.features in material.features]
    scores: dict[Way, list[Scores]] = {}
    again: dict[Way, list[float]] = {}
    for way in there:
        scores[way] = study.scores(way, material.features[way.features], seeds)
        tell(f"{way.name}: ACC {spread([one.accuracy for one in scores[way]], 3)}")
    for way in there:
        again[way] = study.halves(way, material.features[way.features][0], halves)
        tell(f"{way.name}: halves agree by {np.mean(again[way]):.3f}")
    lines = [
        [
            way.name,
            *(spread([getattr(one, score) for one in scores[way]], 3) for score in ("accuracy", "nmi", "ari")),
            f"{np.mean([one.silhouette for one in scores[way]]):.3f}",
            f"{np.mean(again[way]):.3f} ({min(again[way]):.3f} to {max(again[way]):.3f})",
        ]
        for way in there
    ]
    header = ["way", "ACC", "NMI", "ARI", "silhouette", "halves agree (range)"]
    lines.append([*N2D, "", "", ""])
    return (
        f"## Ten groups\n\nMeans and standard deviations over {len(seeds)} seeds of embedding and clustering; the "
        f"{len(material.features[AUTOENCODER])} trainings of the autoencoder take turns. ACC: groups matched one to "
        "one with classes (Hungarian). *Halves agree*: the ARI of groups that two halves of the images give, each "
        "embedded and grouped by itself, when the images of one are put into the groups of the other by their nearest "
        f"features there; {2 * len(halves)} comparisons, of the first training. The silhouette is that of the space "
        "where groups are looked for. A map by t-SNE begins at principal components, so its seed changes nothing, and "
        "the spread is that of trainings and mixtures; *tsne-random* begins anywhere. `auto` learned from the labels "
        "of ImageNet, though from none of these images; pixels and autoencoder know of no label at all. N2D groups "
        "all 70,000 images, and its figures are its published bests.\n\n"
        f"{table(header, lines)}\n{_chosen(scores, again)}"
    )


def _chosen(scores: Mapping[Way, Sequence[Scores]], again: Mapping[Way, Sequence[float]]) -> str:
    """What a choice without labels picks, and what would have been best."""
    from scipy.stats import spearmanr

    means = {way: [float(np.mean([getattr(one, at) for one in scores[way]])) for at in _SCORES] for way in scores}
    criteria = {
        "agreement of halves": {way: float(np.mean(again[way])) for way in scores},
        "silhouette where groups are looked for": {
            way: float(np.mean([one.silhouette for one in scores[way]])) for way in scores
        },
    }
    lines = []
    for (name, values), (among, ways) in itertools.product(criteria.items(), _among(scores).items()):
        best = max(ways, key=lambda way: values[way])
        rank = spearmanr([values[way] for way in ways], [means[way][2] for way in ways]).statistic
        lines.append([f"{name}, {among}", best.name, *(f"{one:.3f}" for one in means[best]), f"{rank:+.2f}"])
    for at, name in enumerate(("ACC", "NMI", "ARI")):
        best = max(means, key=lambda way: means[way][at])
        lines.append(
            [f"labels: the highest {name}, in hindsight", best.name, *(f"{one:.3f}" for one in means[best]), ""]
        )
    header = ["chosen by", "way", "ACC", "NMI", "ARI", "Spearman with ARI over ways"]
    return (
        "### Which way would have been chosen\n\nThe rule was set before a score was seen: the way whose halves agree "
        "best. The silhouette is beside it, though it compares groups in different spaces. Labels choose nothing; what "
        "they would have chosen is below, to see what the rule costs.\n\n" + table(header, lines)
    )


def _among(scores: Mapping[Way, Sequence[Scores]]) -> dict[str, list[Way]]:
    """Ways between which is chosen: all, and those whose features never saw a label."""
    label_free = [way for way in scores if way.features != AUTO]
    return {"of all": list(scores)} | ({"without `auto`": label_free} if len(label_free) < len(scores) else {})


_SCORES = ("accuracy", "nmi", "ari")


def _supported(
    material: Material, kept: Kept, ks: Sequence[int], effort: Effort | None, tell: Callable[[str], None]
) -> str:
    """The number of clusters that each feature set supports."""
    lines, words = [], []
    named = {AUTOENCODER: material.features[AUTOENCODER][0]}
    named |= {name: material.features[name][0] for name in (PIXELS, AUTO) if name in material.features}
    for name, rows in named.items():
        how = f"sweep, {list(ks)}, {effort}"
        found = kept.record(rows, how, lambda rows=rows: _sweep(rows, ks, effort))
        tell(f"{name}: {found['verdict']['words']}")
        words.append(f"- {name}: {found['verdict']['words']}")
        against = found["verdict"]["against"]
        for one in found["stabilities"]:
            again = one["found"]
            nulls = [_told(null["halves"]) for null in one["nulls"].values()]
            weakest = min(cluster["mean"] for cluster in again["clusters"])
            verdict = against.get(str(one["asked"]), "**supported**").partition(";")[0]
            lines.append([name, f"{one['k']}", _told(again["seeds"]), _told(again["halves"]), *nulls, f"{weakest:.2f}",
                          verdict])  # fmt: skip
    header = ["features", "k", "seeds, ARI", "halves, ARI", "shuffled", "shuffled, correlated", "weakest", "verdict"]
    return (
        "## Which k the features support\n\nAs `boda cluster` says it, without a label: k-means found again in halves "
        "of the images, beside features without groups (columns shuffled, each by itself, or so that they keep their "
        "correlations). *Weakest* is the mean Jaccard index of the cluster that is found again worst.\n\n"
        + "\n".join(words)
        + f"\n\n{table(header, lines)}"
    )


def _sweep(rows: Rows, ks: Sequence[int], effort: Effort | None) -> Any:
    clusterings: dict[int | None, Labels] = {
        k: fit(rows.array, "kmeans", k, rng=np.random.default_rng(0)).partition.labels for k in ks
    }
    return sweep(rows.array, "kmeans", clusterings, rng=np.random.default_rng(0), effort=effort).as_json()


def _told(one: Mapping[str, float]) -> str:
    return f"{one['mean']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: fashion_mnist/")
    parser.add_argument("--to", type=Path, default=Path("clusters"), metavar="FOLDER", help="of all that is made")
    parser.add_argument(
        "--run", type=Path, action="append", default=[], metavar="FOLDER", dest="runs",
        help="an autoencoder that was trained before; may be given again",
    )  # fmt: skip
    parser.add_argument("--no-auto", action="store_false", dest="auto", help="without the features of `auto`")
    parser.add_argument("--trainings", type=int, default=3, metavar="COUNT", help="autoencoders, where none is given")
    parser.add_argument("--seeds", type=int, default=5, metavar="COUNT", help="of every way to ten groups")
    parser.add_argument("--halves", type=int, default=2, metavar="COUNT", help="times that images are cut in two")
    parser.add_argument("--rows", type=int, metavar="COUNT", help="only so many training images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--device", default="auto")
    asked = vars(parser.parse_args())
    data, to = asked.pop("data"), asked.pop("to")
    try:
        receipt = run(data, to, **asked, tell=_tell)
    except BodaError as error:
        raise SystemExit(f"fashion_clusters: {error}") from error
    write(to / "receipt.md", receipt.encode())
    print(receipt)


if __name__ == "__main__":
    main()
