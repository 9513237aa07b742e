"""The network: equal to torch, deterministic, without side effects, and served without torch."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from boda.errors import MissingExtra, Refused
from boda.heads.design import Design
from boda.heads.mlp import Mlp, MlpModel, forward, loss_of
from boda.heads.target import Target

QUICK = Mlp(hidden=16, epochs=60, patience=10, rate=1e-2)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small products on busy cores wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def numbers(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 5)).astype(np.float32)
    return x, np.abs(x[:, 0]) + 0.5 * x[:, 1] + 0.05 * rng.standard_normal(n)


def classes(k: int, n: int = 600) -> tuple[np.ndarray, Target]:
    x, y = numbers(n)
    cuts = np.quantile(y, np.linspace(0, 1, k + 1)[1:-1])
    return x, Target("class", "c", np.digitize(y, cuts).astype(np.int64), tuple("abcdef"[:k]))


def fit(x: np.ndarray, target: Target, learner: Mlp = QUICK, seed: int = 0) -> MlpModel:
    return learner.fit(Design.of(x), target, groups=np.arange(len(x)), rng=np.random.default_rng(seed))


def test_column_against_row_is_refused_not_broadcast() -> None:
    """[n, 1] outputs against [n] truths compare every row with every other in torch; here they are an error."""
    column, row = torch.zeros(8, 1), torch.zeros(8)
    assert (column - row).shape == (8, 8)
    for kind in ("number", "class"):
        with pytest.raises(Refused, match=r"\(8, 1\) cannot be compared with \(8,\)"):
            loss_of(kind, column, row)
        with pytest.raises(Refused, match="cannot be compared"):
            loss_of(kind, row, column)
    with pytest.raises(Refused, match="cannot be compared"):
        loss_of("class", torch.zeros(8, 3), torch.zeros(7, dtype=torch.int64))
    with pytest.raises(Refused, match="cannot be compared"):
        loss_of("class", torch.zeros(8), torch.zeros(8, dtype=torch.int64))


def test_losses_are_torchs_own() -> None:
    """Squared error, log loss of one logit, and log loss of several scores."""
    generator = torch.Generator().manual_seed(0)
    z, y = torch.randn(9, generator=generator), torch.randn(9, generator=generator)
    assert loss_of("number", z, y).item() == pytest.approx(((z - y) ** 2).mean().item())
    ones = (y > 0).float()
    likelihood = torch.where(ones > 0, torch.sigmoid(z), 1 - torch.sigmoid(z))
    assert loss_of("class", z, ones).item() == pytest.approx(-likelihood.log().mean().item(), rel=1e-5)
    many, which = torch.randn(9, 4, generator=generator), torch.arange(9) % 4
    expected = -torch.log_softmax(many, dim=1)[torch.arange(9), which].mean().item()
    assert loss_of("class", many, which).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k", [2, 3])
def test_numpy_prediction_equals_torch(k: int) -> None:
    """The arrays, put into the published form Linear, ReLU, Linear, give the same scores to 1e-5."""
    x, target = classes(k)
    model = fit(x, target)
    network = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1 if k == 2 else k))
    arrays = [torch.from_numpy(np.array(model.tensors()[name])) for name in list(model.tensors())[:4]]
    with torch.no_grad():
        for own, array in zip(network.parameters(), arrays, strict=True):
            own.copy_(array)
        expected = network(torch.from_numpy(x)).numpy()
        again = forward(torch.from_numpy(x), arrays).numpy()
    found = model.outputs(x)
    assert found.shape == (len(x), k) and found.dtype == np.float64
    np.testing.assert_allclose(found[:, 1:] if k == 2 else found, expected, atol=1e-5)
    np.testing.assert_allclose(again.reshape(expected.shape), expected, atol=1e-5)


def test_one_logit_of_two_classes_is_a_probability_by_softmax() -> None:
    """The first score is 0, so that softmax of both is the sigmoid of the logit."""
    x, target = classes(2)
    found = fit(x, target).outputs(x)
    assert (found[:, 0] == 0).all()
    softmax = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax[:, 1], 1 / (1 + np.exp(-found[:, 1])))
    assert (found.argmax(axis=1) == target.values).mean() > 0.85


def test_what_no_line_can_fit_is_learned() -> None:
    """|x| needs the hidden layer: R2 above 0.9, where a line reaches 0.4."""
    x, y = numbers()
    found = fit(x, Target("number", "y", y)).outputs(x)
    assert found.shape == (600, 1)
    assert 1 - ((found[:, 0] - y) ** 2).mean() / y.var() > 0.9
    line = np.linalg.lstsq(np.c_[x, np.ones(600)], y, rcond=None)[0]
    assert 1 - ((np.c_[x, np.ones(600)] @ line - y) ** 2).mean() / y.var() < 0.5


def test_units_of_the_number_do_not_matter() -> None:
    """Dollars near ten to the ten, or parts of one: the same predictions in other units."""
    x, y = numbers(300)
    plain = fit(x, Target("number", "y", y)).outputs(x)
    large = fit(x, Target("number", "y", y * 1e10 + 3e10)).outputs(x)
    np.testing.assert_allclose((large - 3e10) / 1e10, plain, atol=1e-3)
    constant = fit(x, Target("number", "y", np.full(300, 7.0)), Mlp(hidden=4, epochs=5)).outputs(x)
    assert abs(constant - 7).max() < 1


def test_same_state_gives_the_same_network_and_another_another() -> None:
    """Everything random comes from the generator that is given."""
    x, target = classes(3, 200)
    first, second, third = (fit(x, target, seed=seed).outputs(x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_global_state_is_untouched() -> None:
    """Neither torch's nor NumPy's seed, nor the number of threads; nor the design that was given."""
    x, target = classes(2, 200)
    before = x.copy(), torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    x.setflags(write=False)
    fit(x, target, Mlp(hidden=4, epochs=3))
    np.testing.assert_array_equal(x, before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    np.testing.assert_array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002
    assert torch.get_num_threads() == before[3]


def test_it_stops_early_and_keeps_its_best() -> None:
    """Noise is not learned for 500 epochs, and the epoch that is kept is the one with the least held-out loss."""
    x, _ = numbers(200)
    target = Target("number", "y", np.random.default_rng(3).standard_normal(200))
    long = fit(x, target, Mlp(hidden=64, rate=1e-2, epochs=500, patience=10))
    stop = long.settings()["epoch"]
    assert stop < 100 and long.settings()["held_out_rows"] == 40
    short = fit(x, target, Mlp(hidden=64, rate=1e-2, epochs=stop, patience=10))
    np.testing.assert_array_equal(long.outputs(x), short.outputs(x))


def test_groups_are_never_on_both_sides() -> None:
    """Copies of a row tell nothing: with groups, copies of noise stop as soon as noise does."""
    rng = np.random.default_rng(4)
    x = np.repeat(rng.standard_normal((60, 5)).astype(np.float32), 5, axis=0)
    target = Target("number", "y", np.repeat(rng.standard_normal(60), 5))
    groups = np.repeat(np.arange(60), 5)
    learner = Mlp(hidden=64, rate=1e-2, epochs=80, patience=80)
    design, rng = Design.of(x), np.random.default_rng(0)
    grouped = learner.fit(design, target, groups=groups, rng=rng).settings()
    mixed = learner.fit(design, target, groups=np.arange(300), rng=rng).settings()
    assert mixed["held_out_loss"] < 0.5 < grouped["held_out_loss"]
    with pytest.raises(Refused, match="one group"):
        learner.fit(design, target, groups=np.zeros(300, np.int64), rng=rng)


def test_other_targets_are_refused() -> None:
    """A number or a class."""
    target = Target("ratings", "r", np.ones((4, 2)), ("1", "2"), (1.0, 2.0))
    with pytest.raises(Refused, match="takes a number or a class"):
        fit(np.zeros((4, 2), np.float32), target)


def test_missing_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning needs the extra."""
    monkeypatch.setitem(sys.modules, "torch", None)
    x, target = classes(2, 50)
    with pytest.raises(MissingExtra, match=r"boda\[torch\]"):
        fit(x, target)


def test_serving_needs_no_torch() -> None:
    """A saved network answers in a process that cannot import torch, exactly as here."""
    x, target = classes(3, 200)
    model = fit(x, target, Mlp(hidden=4, epochs=3))
    tensors = {name: np.asarray(array).tolist() for name, array in model.tensors().items()}
    told = json.dumps([tensors, dict(model.settings()), x[:5].tolist()])
    code = (
        "import sys, json; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from boda.heads.mlp import MlpModel\n"
        "tensors, settings, x = json.load(sys.stdin)\n"
        "tensors = {name: np.array(value, np.float32) for name, value in tensors.items()}\n"
        "model = MlpModel.from_saved(tensors, settings)\n"
        "print(json.dumps(model.outputs(np.array(x, np.float32)).tolist()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), model.outputs(x[:5]), rtol=1e-6)
