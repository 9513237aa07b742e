"""The loop: how many steps, what is told, and what stops it."""

import contextlib

import numpy as np
import pytest
import torch
from torch import nn

from boda.errors import Refused
from boda.models.autoencoder import autoencoder
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import label_swaps
from boda.training.data import HeldRows, TrainingRows
from boda.training.images import InMemory
from boda.training.loop import Run, Watch, averaged, train, validate
from boda.training.optimising import Average
from boda.training.preset import Preset
from boda.training.state import State
from boda.training.tasks import Classes, Reconstruction

N, SIDE = 20, 8
PRESET = Preset("tested", epochs=3, batch=8, lr=0.05)


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def made(preset: Preset = PRESET, *, held: int = 4, **more) -> Run:
    """A run on random images of two classes."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), np.uint8))
    images, targets = InMemory(pixels, [f"{row}.png" for row in range(N)]), torch.arange(N) % 2
    steps = augmentation_named(preset.augmentation).sized((SIDE, SIDE))
    learned, apart = np.arange(N - held), np.arange(N - held, N)
    return Run(
        network=more.pop("network", None) or network(),
        task=more.pop("task", Classes(("a", "b"))),
        preset=preset,
        training=TrainingRows(
            images, targets[: N - held], learned, (SIDE, SIDE), 3, steps, label_swaps(steps, names=("a", "b")), 0, 2
        ),
        validation=HeldRows(images, targets[N - held :], apart, (SIDE, SIDE)),
        device=torch.device("cpu"),
        door=lambda images: images - 0.5,
        **more,
    )


def trained(run: Run, **watch) -> State:
    return train(run, State.fresh(run.network, run.preset), Watch(**watch))


def test_everybody_is_told_and_asked_to_keep_after_every_epoch():
    """Steps with the number of all; epochs with their scores."""
    steps, epochs, saved = [], [], []
    trained(
        made(),
        step=lambda state, total: steps.append((state.step, total)),
        epoch=lambda state: epochs.append(len(state.history)),
        save=lambda state: saved.append(state.step),
    )
    assert steps == [(number, 6) for number in range(1, 7)]
    assert epochs == [1, 2, 3]
    assert saved == [2, 4, 6]


def test_iterations_cut_the_last_epoch_short():
    """It is told and tested all the same."""
    state = trained(made(PRESET.changed(iterations=5)))
    assert [(row["epoch"], row["step"]) for row in state.history] == [(1, 2), (2, 4), (3, 5)]
    assert trained(made(PRESET.changed(iterations=99))).step == 6


def test_a_run_that_has_ended_stays_as_it_is():
    """Called again it takes no step."""
    run = made()
    state = trained(run)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    assert train(run, state, Watch()).step == 6
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_a_state_may_be_kept_after_every_step():
    """Where no second may be lost; inside an epoch it says how far it is."""
    places = []
    trained(made(), save=lambda state: places.append((state.epoch, state.batch)), every=-1.0)
    assert places == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]


def test_it_ends_early_where_nothing_gets_better():
    """After the patience of the preset."""
    run = made(PRESET.changed(epochs=50, patience=2, lr=1e-12))
    assert len(trained(run).history) == 3


def test_a_validation_loss_that_is_no_number_is_refused_and_not_kept():
    """As after an enormous step, whose own loss was fine; what was kept before stays."""
    saved = []
    run = made(PRESET.changed(batch=16, lr=3e38), network=nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 2)))
    with pytest.raises(Refused, match=r"the validation loss is \w+ after step \d, the end of epoch \d: lower"):
        trained(run, save=lambda state: saved.append(state.history[-1]["validation_loss"]))
    assert len(saved) < 3
    assert np.isfinite(saved).all()


def test_what_stays_in_eval_mode_stays():
    """Called after every change into training mode, before the first step of an epoch."""
    run = made(stays=lambda net: net[1].eval())
    before = run.network[1].running_mean.clone()
    trained(run)
    assert torch.equal(run.network[1].running_mean, before)


def test_mixed_labels_can_be_learned_by_an_autoencoder_too():
    """Its classifier's error is counted against the larger share."""
    run = made(
        PRESET.changed(augmentation="mixup", epochs=1),
        network=autoencoder((SIDE, SIDE), channels=3, stages=(4, 4), features=4, classes=2),
        task=Reconstruction("mse", 1.0),
    )
    run.door = lambda images: images
    (row,) = trained(run).history
    assert 0 <= row["train_error"] <= 1


def test_scores_are_of_the_averaged_weights():
    """Where there are some; the network has its own again afterwards, whatever happens within."""
    run = made(PRESET.changed(average=0.5))
    state = trained(run)
    own = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    by_average = validate(run, state)
    assert all(torch.equal(tensor, own[name]) for name, tensor in run.network.state_dict().items())
    assert by_average == {name: state.history[-1][f"validation_{name}"] for name in by_average}
    assert by_average != validate(run)
    with contextlib.suppress(OSError), averaged(run.network, state.average):
        assert torch.equal(run.network[0].weight, state.average.tensors["0.weight"])
        raise OSError
    assert all(torch.equal(tensor, own[name]) for name, tensor in run.network.state_dict().items())


def test_validation_is_the_mean_over_all_rows():
    """In eval mode, of every row once, however many a batch has."""
    run = made(held=9)
    found = validate(run)
    batch = next(iter(run.validation.batches()))
    run.network.eval()
    with torch.no_grad():
        scores = run.network(batch.images - 0.5)
    assert found["loss"] == pytest.approx(float(nn.functional.cross_entropy(scores, batch.targets)), rel=1e-5)
    assert found["error"] == pytest.approx(float((scores.argmax(1) != batch.targets).float().mean()))


def test_an_average_of_no_step_is_the_network():
    """So that a run that is looked at before its first step shows it."""
    module = network()
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in Average(module, 0.9).tensors.items())


@pytest.mark.parametrize("distance", ["ssim", "mse"])
def test_losses_are_computed_in_float32_whatever_the_network_computes_in(distance):
    """Under autocast to bf16 a loss near 1 would move in steps of 0.004."""
    seen = []

    class Watched(Reconstruction):
        def loss(self, output, images, targets, *, smoothing):
            seen.append((output.reconstruction.dtype, torch.is_autocast_enabled("cpu")))
            return super().loss(output, images, targets, smoothing=smoothing)

    net = autoencoder(SIDE, features=2, stages=(2,))
    trained(made(PRESET.changed(precision="bf16", epochs=1), network=net, task=Watched(distance)))
    assert set(seen) == {(torch.float32, False)}


def test_long_gradients_are_shortened_where_a_preset_says_so():
    """A step of plain descent is no longer than rate times clip."""
    run = made(PRESET.changed(epochs=1, iterations=1, momentum=0.0, weight_decay=0.0, clip=1e-3))
    before = [one.detach().clone() for one in run.network.parameters()]
    trained(run)
    moved = torch.cat([(one - old).flatten() for one, old in zip(run.network.parameters(), before, strict=True)])
    assert moved.norm().item() == pytest.approx(PRESET.lr * 1e-3, rel=1e-3)
