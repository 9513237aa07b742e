"""The learning rate of every step: formulas, torch's own schedulers, and the drops of the paper."""

import math
import warnings

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from boda.training.preset import PRESETS, Preset
from boda.training.schedule import Plateau, rate

END = 1e-4


def preset(**changes) -> Preset:
    return Preset("tested", epochs=1, batch=2, lr=0.4, **changes)


def rates(one: Preset, steps: int) -> list[float]:
    return [rate(one, step, steps, Plateau()) for step in range(steps)]


def torchs(make, steps: int, lr: float = 0.4) -> list[float]:
    """The rates of one of torch's schedulers."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler, found = make(optimiser), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimiser that takes no steps
        for _ in range(steps):
            found.append(optimiser.param_groups[0]["lr"])
            scheduler.step()
    return found


def test_the_paper_of_resnets_on_cifar():
    """64,000 steps at 0.1, a tenth from step 32,000 on and a hundredth from 48,000 on, counted from 0."""
    paper = PRESETS["cifar-paper"]
    assert paper.iterations == 64_000
    found = {step: rate(paper, step, 64_000, Plateau()) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)}
    assert list(found.values()) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    torch_rates = torchs(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [32_000, 48_000]), 64_000, lr=0.1)
    assert [rate(paper, step, 64_000, Plateau()) for step in range(0, 64_000, 500)] == pytest.approx(torch_rates[::500])


def test_the_warm_up_of_the_deep_net():
    """0.01 for 400 steps, then 0.1, and the drops where they were."""
    deep = PRESETS["cifar-paper-110"]
    found = [rate(deep, step, 64_000, Plateau()) for step in (0, 399, 400, 31_999, 32_000, 48_000)]
    assert found == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.001])


def test_a_shorter_run_has_its_drops_at_the_same_shares():
    """Of 1,000 steps at 500 and 750."""
    found = rates(PRESETS["cifar-paper"], 1_000)
    assert [found.index(value) for value in sorted(set(found), reverse=True)] == [0, 500, 750]


def test_constant_is_constant():
    """And a warm-up is a line up to it."""
    assert rates(preset(), 5) == [0.4] * 5
    warmed = rates(preset(warmup=0.4, warmup_lr=0.1), 10)
    linear = torchs(lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=4), 11)[1:]
    assert warmed == pytest.approx(linear)


@pytest.mark.parametrize("steps", [10, 47, 400])
def test_cosine_is_torchs(steps):
    """From the highest rate down to a ten-thousandth of it."""
    expected = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=steps, eta_min=0.4 * END), steps)
    assert rates(preset(curve="cosine"), steps) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [10, 100, 1_000])
def test_one_cycle_rises_and_falls_in_lines(steps):
    """As torch's, whose peak comes one step sooner and whose end is reached by the last step rather than after it."""
    found = rates(preset(curve="one-cycle", warmup=0.2, warmup_lr=0.1), steps)
    peak = round(0.2 * steps)
    rising = [0.4 * (0.1 + 0.9 * (step + 1) / peak) for step in range(peak)]
    falling = [0.4 * (END + (1 - END) * (1 - step / (steps - peak))) for step in range(steps - peak)]
    assert found == pytest.approx(rising + falling)
    theirs = torchs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, max_lr=0.4, total_steps=steps + 1, pct_start=(peak + 1) / (steps + 1), anneal_strategy="linear",
            div_factor=10, final_div_factor=1e4 / 10, cycle_momentum=False,
        ),
        steps,
    )  # fmt: skip
    assert found[peak:] == pytest.approx(theirs[peak:])


@given(
    losses=st.lists(st.sampled_from([2.0, 1.0, 0.99995, 0.9, 0.5]), min_size=1, max_size=40),
    patience=st.integers(1, 4),
)
@example(losses=[1.0, 1.0, 1.0, 1.0, 1.0, 0.99995, 0.99995], patience=2)
def test_plateaus_are_torchs(losses, patience):
    """Whose patience counts the epochs that change nothing, ours the one that does: one more."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, patience=patience - 1)
    plateau = Plateau()
    for loss in losses:
        scheduler.step(loss)
        plateau.heard(loss, patience)
        found = rate(preset(curve="plateau"), 5, 10, plateau)
        if optimiser.param_groups[0]["lr"] > 1e-8:  # below which torch does not go
            assert found == pytest.approx(optimiser.param_groups[0]["lr"])


@given(losses=st.lists(st.floats(0, 10), max_size=12), patience=st.integers(1, 3))
def test_a_plateau_goes_on_after_json(losses, patience):
    """Before the first epoch too, when nothing was heard yet."""
    import json

    kept, fresh = Plateau(), Plateau()
    for loss in losses:
        kept = Plateau.from_json(json.loads(json.dumps(kept.as_json(), allow_nan=False)))
        kept.heard(loss, patience)
        fresh.heard(loss, patience)
    assert kept == fresh


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_every_preset_has_a_rate_for_every_step(name, steps):
    """Above 0 and never above its highest, however short the run is."""
    found = rates(PRESETS[name], steps)
    assert all(0 < value <= PRESETS[name].lr * (1 + 1e-12) for value in found)
    assert all(math.isfinite(value) for value in found)
