"""A bake-off is read from top to bottom: best first, each with its interval and cost."""

import pytest

from boda.errors import Refused
from boda.pictures.comparison import comparison
from drawn import HOSTILE, Drawn

CANDIDATES = [
    {"name": "worst", "value": 0.31, "low": 0.25, "high": 0.37, "width": 64, "seconds": 0.25},
    {"name": "best", "value": 0.52, "low": 0.46, "high": 0.58, "width": 1280, "seconds": 12.0},
    {"name": "failed", "value": None},
    {"name": "middle", "value": 0.47, "low": 0.41, "high": 0.53, "width": 640, "seconds": 3.0},
]
NAMES = {one["name"] for one in CANDIDATES}


def order(svg: bytes) -> list[str]:
    return [text for text in Drawn(svg).texts if text in NAMES]


def test_best_comes_first_whichever_way_is_better():
    """High or low values are on top as the metric asks; what has no value is last."""
    assert order(comparison(CANDIDATES, metric="spearman")) == ["best", "middle", "worst", "failed"]
    assert order(comparison(CANDIDATES, metric="mae", higher_is_better=False)) == ["worst", "middle", "best", "failed"]
    assert order(comparison(CANDIDATES, metric="mae", ranked=False)) == ["worst", "best", "middle", "failed"]


def test_points_lie_in_their_intervals_and_in_order():
    """Dots go down the rows and to the left; each lies between the ends of its line."""
    drawn = Drawn(comparison(CANDIDATES, metric="spearman", baseline=0.0))
    dots = drawn.dots("main")
    assert list(dots[:, 0]) == sorted(dots[:, 0], reverse=True)
    assert list(dots[:, 1]) == sorted(dots[:, 1])
    lines = [path.points for path in drawn.paths if path.colour == "main-line" and "L" in path.d]
    for (x, y), ((left, top), (right, _)) in zip(dots, lines, strict=True):
        assert left < x < right
        assert top == y
    baseline = next(path.points for path in drawn.paths if path.dashed)
    assert baseline[0, 0] < dots[:, 0].min()


def test_columns_say_value_interval_width_and_seconds():
    """What is known is written beside each line, and a dash where it is not."""
    texts = Drawn(comparison(CANDIDATES, metric="spearman", level=0.95)).texts
    assert {"value", "95 % interval", "width", "seconds"} <= set(texts)
    assert {"0.52", "0.46 to 0.58", "1,280", "12", "–"} <= set(texts)
    assert "Spearman correlation" in texts


def test_columns_that_nobody_has_are_left_out():
    """A table of values alone has no empty columns."""
    texts = Drawn(comparison([{"name": "only", "value": 3.0}], metric="RMSE (dollars)")).texts
    assert "seconds" not in texts
    assert not any("interval" in text for text in texts)


def test_differences_to_the_best_are_said_where_known():
    """A paired difference says more than two overlapping intervals; the best has none."""
    lines = [
        {"name": "best", "value": 0.5, "to_best": {"value": 0.0, "low": 0.0, "high": 0.0}},
        {"name": "worst", "value": 0.4, "to_best": {"value": -0.1, "low": -0.12, "high": -0.08}},
    ]
    texts = Drawn(comparison(lines, metric="auc")).texts
    assert "to the best" in texts
    assert texts.count("–") == 1
    assert "−0.120 to −0.080" in texts


def test_sixty_candidates_are_small():
    """A large bake-off is below 60 kB, and nothing leaves the picture."""
    lines = [{**CANDIDATES[0], "name": f"timm:mobilenetv2_100 {i}, mlp, normalised, 한국어"} for i in range(60)]
    svg = comparison(lines, metric="auc", baseline=0.5)
    assert len(svg) < 60_000
    assert Drawn(svg).size[0] < 1000


def test_hostile_names_are_text():
    """Names come from users."""
    lines = [{"name": name, "value": 0.1 * place, "low": 0.0, "high": 1.0} for place, name in enumerate(HOSTILE)]
    drawn = Drawn(comparison(lines, metric=HOSTILE[0]))
    assert "나선은하" in drawn.texts
    assert {part.tag.rpartition("}")[2] for part in drawn.root.iter()} == {"svg", "style", "rect", "path", "text"}


def test_nothing_to_compare_is_refused():
    """Without a value there is no axis."""
    with pytest.raises(Refused, match="no candidate has a value"):
        comparison([{"name": "failed", "value": float("nan")}], metric="auc")
