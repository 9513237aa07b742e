"""How near an image is to a cluster: what its rule decides by, as a number that is above 0 inside.

Nearness is a comparison. An image that lies near one centre may lie as near to the next, and what makes it like all of
the collection would then be shown as what puts it there; so every score asks why this cluster rather than another.

    a centre decides        the signed distance to the border of the cluster, with x the image, c the centre and e_j the
    (kmeans, minibatch,     way from it to another: the smallest over j of |e_j| / 2 - (x - c) e_j / |e_j|. Inside it is
    spherical)              exactly how far x is from the nearest other cluster; outside how far it is past the border
                            that it is farthest past. Linear between borders.
    a mixture decides       log odds: the logarithm of the cluster's share of the density at x over that of all others
    (gmm)
    the nearest row decides how much smaller the squared distance to the nearest row of the cluster is than to the
    (hdbscan, agglomerative) nearest row outside; two rows decide, so another image nearby may have another map

Distances are those of the clustering: of features as they are, at length 1, or in principal directions.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.clusters.clustering import Clustering
from boda.clusters.rules import Mixture, NearestCentre, NearestRow
from boda.clusters.space import Space
from boda.errors import Refused
from boda.explanations.likeness_score import unit_rows
from boda.explanations.score import Score
from boda.keys import shown

Near: TypeAlias = Callable[[Tensor], Tensor]
"""(n, q) rows in the space of a clustering to (n,)."""


def cluster_score(clustering: Clustering, cluster: int) -> Score:
    """How near an image is to a cluster, above 0 where the clustering would put it there.

    Of a mixture above 0 where it is likelier there than in all others together, which implies it.

    Args:
        clustering: of features of the recipe that is explained (`clustering.recipe`).
        cluster: its number.

    Raises:
        Refused: no such cluster, there is nothing else that an image could be nearer to, or its rule is one that no
            nearness is known of.
    """
    if not 0 <= cluster < clustering.k:
        raise Refused(f"the clusters are 0 to {clustering.k - 1}, and there is no {cluster}")
    moved, (near, unit) = _into(clustering.rule.space), _nearness(clustering, cluster)
    names = clustering.class_map
    known = f" ({shown(names.names[names.of[cluster]])})" if names is not None and names.of[cluster] >= 0 else ""
    title = f"cluster {cluster}{known}, {unit}"
    return Score(f"cluster:{cluster}", title, unit, lambda features: near(moved(features)))


def _nearness(clustering: Clustering, cluster: int) -> tuple[Near, str]:
    """Of rows in the space of the clustering, and its unit."""
    rule = clustering.rule
    if isinstance(rule, NearestCentre):
        return _inside(_exact(rule.centres), cluster), "distance to the border"
    if isinstance(rule, Mixture):
        return _log_odds(rule, cluster), "log odds"
    if isinstance(rule, NearestRow):
        inside = rule.labels == cluster
        return _nearer(_exact(rule.rows[inside]), _exact(rule.rows[~inside]), cluster), "squared distance"
    raise Refused(f"clusters by a rule of kind {rule.kind!r} have no nearness that gradients pass through")


def _inside(centres: Tensor, cluster: int) -> Near:
    """The signed distance to the border of a cell of nearest centres (Voronoi), of which every face is a plane."""
    away = _without(centres, cluster) - centres[cluster]
    _refuse_alone(away, cluster)
    lengths = torch.linalg.vector_norm(away, dim=1)
    if not bool((lengths > 0).all()):
        raise Refused(f"cluster {cluster} has the centre of another, so there is no border between them")
    toward, half, centre = (away / lengths[:, None]).T, lengths / 2, centres[cluster]
    return lambda rows: _smallest(half.to(rows.device) - (rows - centre.to(rows.device)) @ toward.to(rows.device))


def _nearer(inside: Tensor, outside: Tensor, cluster: int) -> Near:
    """The smallest |x - r|^2 of rows r outside less that of rows inside; |x|^2 is in both and left out."""
    _refuse_alone(outside, cluster)

    def smallest(rows: Tensor, points: Tensor) -> Tensor:
        there = points.to(rows.device)
        return _smallest(there.square().sum(dim=1) - 2 * rows @ there.T)

    return lambda rows: smallest(rows, outside) - smallest(rows, inside)


def _log_odds(rule: Mixture, cluster: int) -> Near:
    """Of the weighted density of one normal distribution against the sum of the others."""
    means, factors = _exact(rule.means), torch.linalg.cholesky(_exact(rule.covariances))
    k, q = means.shape
    _refuse_alone(means[1:], cluster)
    whitening = torch.linalg.solve_triangular(factors, torch.eye(q, dtype=torch.float64).expand(k, q, q), upper=False)
    matrix = whitening.permute(2, 0, 1).reshape(q, k * q)
    shift = (whitening @ means[:, :, None]).reshape(k * q)
    constant = _exact(rule.weights).log() - factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)

    def odds(rows: Tensor) -> Tensor:
        away = rows @ matrix.to(rows.device) - shift.to(rows.device)
        logs: Tensor = constant.to(rows.device) - away.reshape(len(rows), k, q).square().sum(dim=2) / 2
        return logs[:, cluster] - torch.cat([logs[:, :cluster], logs[:, cluster + 1 :]], dim=1).logsumexp(dim=1)

    return odds


def _smallest(values: Tensor) -> Tensor:
    """(n, m) to (n,) the smallest of each row, made of ReLUs: DeepLIFT has a rule for these and none for a minimum."""
    while values.shape[1] > 1:
        half = values.shape[1] // 2
        first, second = values[:, :half], values[:, half : 2 * half]
        values = torch.cat([first - (first - second).relu(), values[:, 2 * half :]], dim=1)
    return values[:, 0]


def _into(space: Space) -> Callable[[Tensor], Tensor]:
    """(n, d) features to (n, q) float64 rows in the space: `Space.of` with gradients."""
    if space.unit:
        return lambda features: unit_rows(features.double())
    if space.mean is None or space.basis is None:
        return lambda features: features.double()
    mean, basis = _exact(space.mean), _exact(space.basis)
    return lambda features: (features.double() - mean.to(features.device)) @ basis.to(features.device)


def _without(rows: Tensor, one: int) -> Tensor:
    return torch.cat([rows[:one], rows[one + 1 :]])


def _refuse_alone(others: Tensor, cluster: int) -> None:
    if not len(others):
        raise Refused(f"cluster {cluster} is all there is, so nothing says why an image is in it and not elsewhere")


def _exact(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float64))
