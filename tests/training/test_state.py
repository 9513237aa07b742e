"""The state of a run: what is counted, which epoch was best, when it ends, and that it goes on as it was."""

import json
import math

import pytest
import torch
from torch import nn

from boda.training import checkpoint
from boda.training.preset import Preset
from boda.training.schedule import Plateau
from boda.training.state import State

PRESET = Preset("tested", epochs=9, batch=4, lr=0.05, average=0.9, patience=3, patience_of_plateau=2)


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))


def step(state: State) -> None:
    """One step on images of torch's own generator, with dropout."""
    images = torch.randn(5, 3)
    state.network.train()
    loss = state.network(images).square().mean()
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    state.took({"loss": loss.detach() * 5, "error": torch.tensor(2.0)}, 5)


def epoch(state: State, loss: float, error: float = 0.5, preset: Preset = PRESET) -> None:
    """One that scored so."""
    step(state)
    state.finish_epoch({"loss": loss, "error": error}, preset, "error", 0.1)


def test_scores_of_an_epoch_are_means_over_its_rows():
    """Of batches of any size; the next epoch begins at nothing."""
    state = State.fresh(network(), PRESET)
    state.took({"loss": torch.tensor(6.0), "error": torch.tensor(1.0)}, 3)
    state.took({"loss": torch.tensor(2.0), "error": torch.tensor(3.0)}, 5)
    assert (state.step, state.batch, state.seen) == (2, 2, 8)
    state.finish_epoch({"loss": 0.7, "error": 0.2}, PRESET, "error", 0.1)
    assert state.history == [
        {
            "epoch": 1, "step": 2, "lr": 0.1, "train_loss": 1.0, "train_error": 0.5, "validation_loss": 0.7,
            "validation_error": 0.2,
        }
    ]  # fmt: skip
    assert (state.step, state.epoch, state.batch, state.seen, state.sums) == (2, 1, 0, 0, {})


def test_the_best_epoch_is_the_first_that_was_so_good():
    """By the primary score, not the loss; after as many others as the patience says nothing more is tried."""
    state, best, ended = State.fresh(network(), PRESET), [], []
    assert not state.is_best
    for loss, error in ((0.9, 0.5), (0.8, 0.6), (0.95, 0.4), (0.1, 0.4), (0.1, 0.5), (0.1, 0.9)):
        epoch(state, loss, error)
        best.append(state.is_best)
        ended.append(state.ended)
    assert best == [True, False, True, False, False, False]
    assert ended == [False] * 5 + [True]
    assert state.best == 0.4


def test_without_patience_nothing_ends_early():
    """However long nothing gets better."""
    preset = PRESET.changed(patience=None)
    state = State.fresh(network(), preset)
    for _ in range(8):
        epoch(state, 1.0, 1.0, preset)
    assert not state.ended
    assert state.waited == 7


@pytest.mark.parametrize(
    ("scores", "drops"), [(((1.0, 0.5), (1.0, 0.4), (1.0, 0.3)), 0), (((0.9, 0.5), (0.8, 0.5), (0.7, 0.5)), 1)]
)
def test_plateaus_are_of_the_score_that_chooses_the_best_epoch(scores, drops):
    """A loss that stands still while the error falls is none; an error that does while the loss falls is one."""
    preset = PRESET.changed(patience=None)
    state = State.fresh(network(), preset)
    for loss, error in scores:
        epoch(state, loss, error, preset)
    assert (state.plateau.score, state.plateau.drops) == ("error", drops)


@pytest.mark.parametrize("stops_after", [0, 1, 3, 5])
def test_what_was_kept_goes_on_as_if_nothing_had_happened(tmp_path, stops_after):
    """Weights, momentum, averages, sums, history, plateau and the generator that dropout draws from, through a file."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        whole, stopped = State.fresh(network(), PRESET), None
        for number in range(6):
            if number == stops_after:
                checkpoint.save(tmp_path, "last", whole.tensors(), whole.record())
            step(whole)
            if number % 2:
                whole.finish_epoch({"loss": 1 / (1 + number), "error": 0.5}, PRESET, "error", 0.1)
        torch.manual_seed(99)
        stopped = State.fresh(network(seed=1), PRESET)
        stopped.restore(checkpoint.load(tmp_path, "last"))
        assert stopped.step == stops_after
        for number in range(stops_after, 6):
            step(stopped)
            if number % 2:
                stopped.finish_epoch({"loss": 1 / (1 + number), "error": 0.5}, PRESET, "error", 0.1)
        one, other = whole.tensors(), stopped.tensors()
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name
    assert whole.record() == stopped.record()
    assert stopped.average is not None


def test_the_record_is_plain_json():
    """Before anything was heard too, when nothing is the best yet."""
    state = State.fresh(network(), PRESET)
    record = json.loads(json.dumps(state.record(), allow_nan=False))
    assert record["best"] is None
    other = State.fresh(network(), PRESET)
    other.restore(checkpoint.Saved(state.tensors(), record))
    assert math.isinf(other.best)
    assert math.isinf(other.plateau.best)


def test_everything_that_torch_needs_is_among_the_tensors():
    """By part: network, optimiser, average, sums, generator."""
    state = State.fresh(network(), PRESET)
    step(state)
    parts = {name.partition("/")[0] for name in state.tensors()}
    assert parts == {"network", "optimiser", "average", "sums", "generator"}
    unaveraged = State.fresh(network(), PRESET.changed(average=None))
    assert unaveraged.average is None
    assert {name.partition("/")[0] for name in unaveraged.tensors()} == {"network", "generator"}


def test_a_rate_falls_where_the_error_stands_still():
    """Though the loss still falls; a state of an older boda goes on listening to the loss."""
    preset = PRESET.changed(curve="plateau", patience_of_plateau=2)
    for score, drops in (("", 1), ("loss", 0)):
        state = State.fresh(nn.Linear(2, 2), preset)
        state.plateau.score = score
        for number in range(4):
            state.took({"loss": torch.tensor(1.0), "error": torch.tensor(1.0)}, 4)
            state.finish_epoch({"loss": 1 / (1 + number), "error": 0.5}, preset, "error", 0.1)
        assert state.plateau.drops == drops
    assert Plateau.from_json({"best": 1.0, "waited": 0, "drops": 0}).score == "loss"
