"""Votes as a task of a network: the loss of `boda.heads`, in torch."""

import numpy as np
import pytest

from boda.heads.dirichlet import likelihood
from boda.heads.votes import concentrations_of

torch = pytest.importorskip("torch")

from boda.training.tasks import Task, Votes  # noqa: E402

WIDTHS = (3, 2, 5)


def drawn(rows: int = 40):
    """Counts (n, a), some questions unasked, and scores (n, a + q), some far out."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 30, (rows, sum(WIDTHS))).astype(float)
    counts[::3, 3:5] = 0
    counts[5] = 0
    return counts, rng.standard_normal((rows, sum(WIDTHS) + len(WIDTHS))) * rng.choice([0.3, 3, 12], (rows, 1))


def expected(counts, scores):
    """(n,) by `boda.heads.dirichlet`."""
    held = concentrations_of(scores, WIDTHS)
    parts = np.split(np.arange(sum(WIDTHS)), np.cumsum(WIDTHS)[:-1])
    return sum(likelihood(counts[:, part], held[:, part]).loss for part in parts)


def test_the_loss_is_that_of_the_heads():
    """Row by row in float64, mean and sum; float32 as a network gives it is as near as its scores."""
    counts, scores = drawn()
    task = Votes(WIDTHS)
    assert isinstance(task, Task)
    wanted = expected(counts, scores)
    given, said = torch.from_numpy(counts), torch.from_numpy(scores)
    images = torch.zeros(len(counts), 1)
    assert task.loss(said, images, given, smoothing=0.0).item() == pytest.approx(wanted.mean(), rel=1e-9, abs=1e-6)
    assert task.sums(said, images, given)["loss"].item() == pytest.approx(wanted.sum(), rel=1e-9, abs=1e-6)
    each = [task.loss(said[[row]], images, given[[row]], smoothing=0.0).item() for row in range(len(counts))]
    np.testing.assert_allclose(each, wanted, rtol=1e-6, atol=1e-6)
    narrow = task.loss(said.float(), images, given.float(), smoothing=0.0)
    assert narrow.item() == pytest.approx(wanted.mean(), rel=1e-4)


def test_what_nobody_was_asked_costs_exactly_nothing_and_teaches_nothing():
    """Zero loss and zero slope, not nearly zero."""
    counts, scores = drawn()
    said = torch.from_numpy(scores).requires_grad_()
    task = Votes(WIDTHS)
    loss = task.loss(said[[5]], torch.zeros(1, 1), torch.from_numpy(counts[[5]]), smoothing=0.0)
    assert loss.item() == 0
    task.loss(said, torch.zeros(len(said), 1), torch.from_numpy(counts), smoothing=0.0).backward()
    assert not said.grad[5].any()
    assert not said.grad[0, 4:7].any() and said.grad[0, :4].any()
