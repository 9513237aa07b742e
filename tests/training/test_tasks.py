"""Tasks: sums over rows add up to means however rows are batched, and nothing broadcasts."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from boda.errors import Refused
from boda.models.autoencoder import Seen
from boda.training.similarity import dissimilarity
from boda.training.tasks import Classes, Number, Reconstruction, Shares, Task, means, tensor_of

ROWS = 12


def case(name: str) -> tuple[Task, object, torch.Tensor, torch.Tensor]:
    """A task with what a network said of 12 rows, their images and targets."""
    draw = torch.Generator().manual_seed(5)
    images = torch.rand(ROWS, 1, 12, 12, generator=draw)
    made = torch.rand(ROWS, 1, 12, 12, generator=draw)
    scores = torch.randn(ROWS, 4, generator=draw)
    classes = torch.randint(4, (ROWS,), generator=draw)
    match name:
        case "classes":
            return Classes(("a", "b", "c", "d")), scores, images, classes
        case "mixed":
            return Classes(("a", "b", "c", "d")), scores, images, torch.rand(ROWS, 4, generator=draw).softmax(1)
        case "number":
            return Number(3.0, 2.0), scores[:, :1], images, torch.randn(ROWS, generator=draw)
        case "ratings":
            counts = torch.full((ROWS, 4), 5.0)
            return Shares((1.0, 2.0, 3.0, 4.0)), scores, images, counts
        case "both":
            return Reconstruction("mse", 0.5), Seen(made, scores, scores), images, classes
        case _:
            return Reconstruction(name), Seen(made, scores, None), images, torch.zeros(ROWS)


NAMES = ("classes", "mixed", "number", "ratings", "mse", "l1", "ssim", "both")


def rows_of(output: object, rows: slice) -> object:
    """Some rows of what a network said."""
    if isinstance(output, Seen):
        return Seen(*(None if part is None else part[rows] for part in output))
    return output[rows]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(1, ROWS - 1)))
def test_sums_of_batches_add_up_to_means_of_all(name, cuts):
    """However the rows are divided into batches."""
    task, output, images, targets = case(name)
    whole = task.sums(output, images, targets)
    edges = [0, *sorted(cuts), ROWS]
    total: dict[str, torch.Tensor] = {}
    for start, stop in itertools.pairwise(edges):
        part = slice(start, stop)
        for score, value in task.sums(rows_of(output, part), images[part], targets[part]).items():
            total[score] = total.get(score, torch.zeros(())) + value
    assert total.keys() == whole.keys()
    assert task.primary in whole
    for score, value in whole.items():
        torch.testing.assert_close(total[score], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "both"])
def test_the_mean_of_the_sums_is_the_loss(name):
    """Without smoothing; ratings where every image has as many raters."""
    task, output, images, targets = case(name)
    mean = means({n: float(value) for n, value in task.sums(output, images, targets).items()}, ROWS)
    assert mean["loss"] == pytest.approx(float(task.loss(output, images, targets, smoothing=0.0)), rel=1e-5)


def test_losses_are_what_they_are_called():
    """By torch's own functions."""
    _, output, images, _ = case("mse")
    made = output.reconstruction
    nothing = torch.zeros(ROWS)
    for name, expected in (
        ("mse", functional.mse_loss(made, images)),
        ("l1", functional.l1_loss(made, images)),
        ("ssim", dissimilarity(made, images).mean()),
    ):
        torch.testing.assert_close(Reconstruction(name).loss(output, images, nothing, smoothing=0.0), expected)
    task, seen, images, classes = case("both")
    expected = functional.mse_loss(made, images) + 0.5 * functional.cross_entropy(
        seen.scores, classes, label_smoothing=0.1
    )
    torch.testing.assert_close(task.loss(seen, images, classes, smoothing=0.1), expected)
    assert task.sums(seen, images, classes)["error"] == (seen.scores.argmax(1) != classes).sum()


def test_a_number_is_learned_in_deviations():
    """A network that says 0 says the mean of the training rows."""
    task = Number(10.0, 4.0)
    targets = torch.tensor([10.0, 14.0])
    assert task.loss(torch.zeros(2, 1), torch.zeros(2, 3, 1, 1), targets, smoothing=0.0) == 0.5


@pytest.mark.parametrize(("said", "targets"), [((4, 1), (4, 1)), ((4, 2), (4,)), ((1, 1), (4,)), ((4, 1), (1,))])
def test_a_column_beside_a_row_is_refused(said, targets):
    """[n, 1] less [n] would be [n, n], and a loss that can only learn the mean."""
    task = Number(0.0, 1.0)
    with pytest.raises(Refused, match=r"scores .* targets"):
        task.loss(torch.zeros(said), torch.zeros(4, 3, 1, 1), torch.zeros(targets), smoothing=0.0)
    with pytest.raises(Refused, match=r"scores .* targets"):
        task.sums(torch.zeros(said), torch.zeros(4, 3, 1, 1), torch.zeros(targets))


@pytest.mark.parametrize("made", [(4, 1, 8, 8), (1, 3, 8, 8), (4, 3, 8, 1)])
def test_a_reconstruction_of_another_shape_is_refused(made):
    """One channel beside three would broadcast."""
    seen = Seen(torch.zeros(made), torch.zeros(4, 2), None)
    for distance in ("mse", "l1", "ssim"):
        with pytest.raises(Refused, match="reconstruction"):
            Reconstruction(distance).loss(seen, torch.zeros(4, 3, 8, 8), torch.zeros(4), smoothing=0.0)


def test_targets_become_tensors_that_torch_counts_with():
    """Classes whole numbers, all else single precision."""
    assert tensor_of(np.array([1, 2], np.int32)).dtype == torch.int64
    assert tensor_of(np.array([1.5])).dtype == torch.float32
    assert tensor_of(np.array([[1, 2]])).dtype == torch.float32
