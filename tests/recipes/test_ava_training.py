"""The published training is what torch does, and goes on after a stop with the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ava.published_training as published
from ava.adam_curves import adam_curves
from ava.published_training import Settings, first_weights, mean_squared_error, published_training
from boda.errors import Refused


def rows(count: int, width: int = 8, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Features with a mean, and ratings around 5 that depend on them."""
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(count, width)) + 0.5).astype(np.float32)
    return features, 5 + features @ rng.normal(size=width) / 4 + rng.normal(size=count) / 4


def torch_says(features: np.ndarray, scores: np.ndarray, settings: Settings) -> torch.nn.Linear:
    """The loop of the published notebook, with its squeeze, on batches in file order."""
    model = torch.nn.Linear(features.shape[1], 1)
    weights, offset = first_weights(features.shape[1], settings)
    model.load_state_dict({"weight": weights, "bias": offset})
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.rate)
    data = torch.utils.data.TensorDataset(torch.from_numpy(features), torch.from_numpy(scores).float())
    for _ in range(settings.epochs):
        for x, y in torch.utils.data.DataLoader(data, batch_size=settings.batch, shuffle=False):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(model(x).squeeze(1), y).backward()
            optimiser.step()
    return model


@pytest.mark.parametrize("count", [64, 65, 90])
def test_the_loop_is_the_published_one(count):
    """Linear, Adam, mean squared error, in file order; also where the last batch is of one row."""
    features, scores = rows(count)
    settings = Settings(epochs=3, rate=1e-2)
    *_, last = published_training(features, scores, settings=settings)
    theirs = torch_says(features, scores, settings)
    np.testing.assert_allclose(last.weights, theirs.weight.detach().numpy()[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(last.offset, theirs.bias.detach()[0], rtol=1e-5)
    np.testing.assert_allclose(last.predict(features), theirs(torch.from_numpy(features)).detach()[:, 0], rtol=1e-4)


def test_a_last_batch_of_one_is_one_row():
    """One row alone takes the step that its own gradient gives; (1, 1) and (1,) never meet."""
    features, scores = rows(1)
    (epoch,) = published_training(features, scores, settings=Settings(epochs=1, rate=0.5))
    weights, offset = (part.numpy().ravel() for part in first_weights(8, Settings()))
    slope = 2 * (features[0] @ weights + offset - scores[0]) * features[0]
    np.testing.assert_allclose(epoch.weights, weights - 0.5 * np.sign(slope), rtol=1e-5)
    assert epoch.loss == pytest.approx(float((features[0] @ weights + offset - scores[0])[0] ** 2), rel=1e-5)


def test_shapes_that_would_broadcast_are_refused():
    """(32, 1) against (32,) is a loss over all pairs: torch gives one, the loop does not."""
    predicted, wanted = torch.arange(4.0).reshape(-1, 1), torch.arange(4.0)
    assert mean_squared_error(predicted, wanted.reshape(-1, 1)) == 0
    with pytest.raises(Refused, match=r"shape \(4, 1\) are not those of \(4,\)"):
        mean_squared_error(predicted, wanted)
    with pytest.raises(Refused, match=r"have no scores of shape \(4, 1\)"):
        next(published_training(np.zeros((4, 3), np.float32), np.zeros((4, 1))))


def same(first: list[published.Epoch], second: list[published.Epoch]) -> None:
    """Bit for bit."""
    assert len(first) == len(second)
    for one, two in zip(first, second, strict=True):
        assert (one.number, one.offset, one.loss) == (two.number, two.offset, two.loss)
        assert one.weights.tobytes() == two.weights.tobytes()


@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path, after):
    """The file that is written is the one that is looked for; finished epochs come from it, with Adam's moments."""
    features, scores = rows(90)
    whole = list(published_training(features, scores))
    run = published_training(features, scores, checkpoint=tmp_path / "run" / "raw.pt")
    for _ in range(after):
        next(run)
    run.close()
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["raw.pt"]
    same(list(published_training(features, scores, checkpoint=tmp_path / "run" / "raw.pt")), whole)
    same(list(published_training(features, scores, checkpoint=tmp_path / "run" / "raw.pt")), whole)


def test_a_run_that_was_killed_in_an_epoch_does_that_epoch_again(tmp_path, monkeypatch):
    """Half an epoch leaves no trace."""
    features, scores = rows(90)
    whole = list(published_training(features, scores))
    batches = 0

    def killed(predicted, wanted):
        nonlocal batches
        batches += 1
        if batches == 8:  # the second batch of the third epoch
            raise KeyboardInterrupt
        return mean_squared_error(predicted, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(published, "mean_squared_error", killed)
        with pytest.raises(KeyboardInterrupt):
            list(published_training(features, scores, checkpoint=tmp_path / "raw.pt"))
    same(list(published_training(features, scores, checkpoint=tmp_path / "raw.pt")), whole)


def test_a_finished_run_can_be_made_longer(tmp_path):
    """Five epochs and three more are eight."""
    features, scores = rows(90)
    list(published_training(features, scores, checkpoint=tmp_path / "raw.pt"))
    longer = Settings(epochs=8)
    same(
        list(published_training(features, scores, settings=longer, checkpoint=tmp_path / "raw.pt")),
        list(published_training(features, scores, settings=longer)),
    )


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    """Other scores, other settings, another file: nothing is mixed."""
    features, scores = rows(40)
    list(published_training(features, scores, checkpoint=tmp_path / "raw.pt"))
    with pytest.raises(Refused, match="of other features, scores or settings"):
        list(published_training(features, scores / 10, checkpoint=tmp_path / "raw.pt"))
    with pytest.raises(Refused, match="of other features, scores or settings"):
        list(published_training(features, scores, settings=Settings(rate=1), checkpoint=tmp_path / "raw.pt"))
    (tmp_path / "raw.pt").write_bytes(b"no checkpoint")
    with pytest.raises(Refused, match="Remove it to start anew"):
        list(published_training(features, scores, checkpoint=tmp_path / "raw.pt"))


def test_dividing_the_target_is_multiplying_the_rate():
    """The riddle: raw scores with ten times the rate, first weights and epsilon give ten times the same layer."""
    features, scores = rows(400)
    settings = Settings(epochs=4)
    *_, divided = published_training(features, scores / 10, settings=settings)
    *_, raw = published_training(features, scores, settings=settings)
    *_, faster = published_training(features, scores, settings=settings.times(10))
    np.testing.assert_allclose(faster.weights, 10 * divided.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(faster.predict(features), 10 * divided.predict(features), rtol=1e-4, atol=1e-5)
    assert abs(raw.weights - 10 * divided.weights).max() > 0.1


def test_the_written_out_adam_takes_the_same_steps():
    """Layers of both scales side by side are those of the plain loop, each by itself, after 700 steps."""
    features, scores = rows(2230)
    settings = Settings(epochs=10, rate=1e-3)
    both = list(adam_curves(features, [scores, scores / 10], settings=settings))
    for place, target in enumerate((scores, scores / 10)):
        plain = list(published_training(features, target, settings=settings))
        for ours, theirs in zip(both, plain, strict=True):
            np.testing.assert_allclose(ours[place].weights, theirs.weights, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(ours[place].offset, theirs.offset, rtol=1e-4)
            assert ours[place].loss == pytest.approx(theirs.loss, rel=1e-4)


def test_curves_refuse_scores_of_other_rows():
    """Rows are counted, nothing broadcasts."""
    features, scores = rows(40)
    with pytest.raises(Refused, match="have no scores"):
        next(adam_curves(features, [scores, scores[:1]], settings=replace(Settings(), epochs=1)))
