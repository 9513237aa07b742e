"""Gain: a frozen encoder against a tuned one, on rows that neither had seen, with paired intervals."""

from typing import Any

import numpy as np
import numpy.typing as npt

from boda.evaluation import bootstrap
from boda.evaluation.plain import as_plain
from boda.heads.learner import Outputs
from boda.pipelines.heads.judging import (
    LEVEL,
    folds_record,
    held_out_points,
    measures,
    metrics_known,
    primary_of,
    trivial_scores,
)
from boda.pipelines.heads.material import Material

_ROUNDS = 1000


def gain_of(material: Material, folds: npt.NDArray[np.int64], frozen: Outputs, tuned: Outputs) -> dict[str, Any]:
    """What tuning gained, metric by metric; more is better whatever the metric. All on the same draws of rows.

    Args:
        material: n rows.
        folds: (n,) the fold that holds a row out.
        frozen: (n, o) what linear heads on features of the frozen encoder say of rows that were held out.
        tuned: (n, o) what tuned networks say of them.

    Returns:
        Plain JSON: `metric`, the one that is quoted first; `rows`, `folds`; and `metrics`, of each `frozen`, `tuned`
        and `gain` with their intervals, and the trivial `baseline`.
    """
    target = material.target
    statistics = {
        (who, name): statistic
        for who, outputs in (("frozen", frozen), ("tuned", tuned))
        for name, statistic in measures(material, held_out_points(target, outputs, folds)).items()
    }
    known, trivial = metrics_known(material), trivial_scores(material, folds)
    n, units = len(material), len(np.unique(material.groups))
    rng = np.random.default_rng([material.plan.seed, 2])
    drawn = bootstrap.draws(
        {"/".join(key): one for key, one in statistics.items()}, n, groups=material.groups, rng=rng, rounds=_ROUNDS
    )
    once = np.ones(n)
    rows = []
    for name in known:
        value = {who: float(statistics[who, name](once)) for who in ("frozen", "tuned")}
        sign = 1 if known[name].higher_is_better else -1
        gain = bootstrap.difference_of(
            sign * (value["tuned"] - value["frozen"]),
            sign * (drawn[f"tuned/{name}"] - drawn[f"frozen/{name}"]),
            units=units,
            level=LEVEL,
        )
        alone = {
            who: bootstrap.interval_of(value[who], drawn[f"{who}/{name}"], units=units, level=LEVEL) for who in value
        }
        rows.append({"name": name, "better": known[name].better, "baseline": trivial[name], **alone, "gain": gain})
    found: dict[str, Any] = as_plain(
        {
            "metric": primary_of(material),
            "rows": n,
            "left_out": dict(material.left_out),
            "folds": folds_record(material, folds),
            "metrics": rows,
        }
    )
    return found
