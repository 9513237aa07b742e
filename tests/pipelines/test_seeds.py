"""A seed that is none is refused in one line by every verb that takes one, before anything is computed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.errors import Refused
from boda.pipelines.seeds import check_seed
from boda.workspace.workspace import Workspace
from synthetic import synthetic_workspace


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Features of no meaning, and a column."""
    x = np.random.default_rng(0).normal(size=(30, 4))
    path = tmp_path_factory.mktemp("seeds") / "w.boda"
    return synthetic_workspace(path, {"plain": x}, {"y": x[:, 0].tolist()})


VERBS: dict[str, Callable[[Workspace, Path], object]] = {
    "train": lambda workspace, to: boda.train(workspace, "y", seed=-1),
    "compare": lambda workspace, to: boda.compare(workspace, "y", seed=-1),
    "evaluate": lambda workspace, to: boda.evaluate(workspace, "y", seed=-1),
    "finetune": lambda workspace, to: boda.finetune(workspace, "y", encoder="timm:test_resnet", seed=-1),
    "train_network": lambda workspace, to: boda.train_network(to, target="y", seed=-1),
    "cluster": lambda workspace, to: boda.cluster(workspace, 3, seed=-1),
    "map_points": lambda workspace, to: boda.map_points(workspace, seed=-1),
    "inspect": lambda workspace, to: boda.inspect(workspace, seed=-1),
    "demo": lambda workspace, to: boda.demo(to / "demo", seed=-1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_seed_below_0_is_refused(verb: str, there: Workspace, tmp_path: Path):
    """In words of ours, not numpy's; nothing is written."""
    with pytest.raises(Refused, match=r"seed.*whole number from 0") as refusal:
        VERBS[verb](there, tmp_path)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, None])
def test_only_whole_numbers_from_0_are_seeds(seed: object):
    """Also those of numpy."""
    with pytest.raises(Refused, match=f"^seed={seed!r}: a whole number from 0$"):
        check_seed(seed)
    check_seed(np.int64(3))
    check_seed(2**64 - 1)
    with pytest.raises(Refused, match=r"a whole number from 0 to 2\^64 - 1$"):
        check_seed(2**64)


@pytest.mark.parametrize("what", ["methods", "scalings"])
def test_nothing_to_compare_is_refused(what: str, there: Workspace):
    """An empty list is no comparison, and no traceback."""
    with pytest.raises(Refused, match=f"{what} is empty: give at least one of"):
        boda.compare(there, "y", **{what: ()})
