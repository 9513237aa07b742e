"""What an autoencoder sees in place of the image: noise and black patches, drawn anew, beside the clean image."""

import pytest
import torch
from torch import nn

from boda.models.autoencoder import Seen, autoencoder
from boda.training.corruption import spoilt
from boda.training.objective import Objective
from boda.training.tasks import Reconstruction


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same numbers, and leaves torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_noise_has_the_deviation_that_was_asked_for():
    """Where nothing is cut off at black and white."""
    grey = torch.full((20, 1, 50, 50), 0.5)
    added = spoilt(grey, Objective(noise=0.1)) - grey
    assert added.std().item() == pytest.approx(0.1, rel=0.01)
    assert added.mean().item() == pytest.approx(0, abs=0.001)


def test_noisy_images_are_still_images():
    """Values stay from 0 to 1."""
    noisy = spoilt(torch.rand(4, 3, 9, 9), Objective(noise=2.0))
    assert noisy.min() == 0
    assert noisy.max() == 1


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_so_many_patches_are_masked(share):
    """Each patch whole, the same in all channels, others elsewhere in the next image."""
    white = torch.ones(200, 3, 28, 28)
    seen = spoilt(white, Objective(masked=share, patch=4))
    assert (seen == seen[:, :1]).all()
    patches = seen[:, 0].unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    assert (patches == patches[..., :1]).all()
    assert (1 - patches[..., 0].mean()).item() == pytest.approx(share, abs=0.02)
    assert not torch.equal(patches[0], patches[1])


def test_patches_at_the_edge_are_cut():
    """Images need not be a multiple of patches."""
    seen = spoilt(torch.ones(64, 1, 10, 13), Objective(masked=0.5, patch=4))
    assert seen.shape == (64, 1, 10, 13)
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert (seen[:, :, 8:, 12:] == seen[:, :, 8:9, 12:13]).all()


def test_nothing_asked_for_is_nothing_done():
    """And the generator is not touched."""
    images, state = torch.rand(2, 1, 8, 8), torch.get_rng_state()
    assert spoilt(images, Objective()) is images
    assert torch.equal(torch.get_rng_state(), state)
    assert not Objective().spoils


def test_the_clean_image_is_what_is_learned():
    """The image given stays as it is, and the loss is the distance to it: who gives back what it saw does worse."""
    images = torch.rand(8, 1, 8, 8)
    before = images.clone()
    seen = spoilt(images, Objective(noise=0.3, masked=0.5))
    assert torch.equal(images, before)
    task = Reconstruction()
    nothing = torch.zeros(8)
    assert task.loss(Seen(images, nothing, None), images, nothing, smoothing=0.0) == 0
    assert task.loss(Seen(seen, nothing, None), images, nothing, smoothing=0.0) > 0.1


class _Remembering(nn.Module):
    """Keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.shown = autoencoder(8, channels=1, stages=(2,), features=2), []

    def forward(self, images):
        self.shown.append((self.training, images.clone()))
        return self.inner(images)


def test_only_what_is_learned_from_is_spoilt():
    """In the loop: training batches lack patches, validation batches are as they are."""
    import numpy as np

    from boda.pixels.augment import augmentation_named
    from boda.pixels.augmenting.labels import label_swaps
    from boda.training.data import HeldRows, TrainingRows
    from boda.training.images import InMemory
    from boda.training.loop import Run, Watch, train
    from boda.training.preset import Preset
    from boda.training.state import State

    images = InMemory(torch.full((12, 8, 8, 3), 255, dtype=torch.uint8), [str(row) for row in range(12)])
    none = augmentation_named("none").sized((8, 8))
    learned, held, network = np.arange(8), np.arange(8, 12), _Remembering()
    run = Run(
        network=network,
        task=Reconstruction(),
        preset=Preset("tiny", epochs=1, batch=4, lr=0.01),
        training=TrainingRows(images, torch.zeros(8), learned, (8, 8), 1, none, label_swaps(none, names=()), 0),
        validation=HeldRows(images, torch.zeros(4), held, (8, 8), 1),
        device=torch.device("cpu"),
        door=lambda images: images,
        spoil=lambda images: spoilt(images, Objective(masked=0.5)),
    )
    train(run, State.fresh(network, run.preset), Watch())
    for training, batch in network.shown:
        assert (batch.min() == 0) == training
    assert [training for training, _ in network.shown] == [True, True, False]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"distance": "ms"}, "mse, l1, ssim"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"noise": float("inf")}, "noise=inf"),
        ({"classes_weight": float("inf")}, "classes_weight=inf"),
        ({"masked": 1.0}, "masked=1.0"),
        ({"patch": 0}, "patch=0"),
        ({"classes_weight": -1}, "classes_weight=-1"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(given, said):
    """In one line that names the value."""
    from boda.errors import Refused

    with pytest.raises(Refused, match=said):
        Objective(**given)
