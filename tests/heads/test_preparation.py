"""Preparation: what training rows teach, and that nothing else does."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from boda.errors import Refused
from boda.heads.inputs import CategoryInput, FeatureInput, Inputs, NumberInput
from boda.heads.parts import Sums
from boda.heads.preparation import Preparation

RNG = np.random.default_rng(0)
N = 200


def all_rows(inputs: Inputs) -> np.ndarray:
    return np.arange(len(inputs))


def mixed(n: int = N) -> Inputs:
    """Features, a number with gaps, and a category with gaps."""
    rng = np.random.default_rng(1)
    number = rng.standard_normal(n) * 1e9 + 1e10
    number[::7] = np.nan
    names = np.array(["a", "b", None, "c"], object)[rng.integers(0, 4, n)]
    features = rng.standard_normal((n, 6)).astype(np.float32)
    return Inputs((FeatureInput("auto", "r", features), NumberInput("area", number), CategoryInput("zip", names)))


def test_standardised_features_equal_those_of_scikit_learn() -> None:
    """Mean 0 and population standard deviation 1 over the training rows, applied to all rows."""
    x = (RNG.standard_normal((N, 5)) * [1, 10, 1e-3, 1e3, 1] + [0, 5, 0, -1e3, 2]).astype(np.float32)
    inputs, rows = Inputs((FeatureInput("f", "", x),)), np.arange(0, N, 2)
    found = Preparation.fit(inputs, rows).design(inputs).dense()
    expected = StandardScaler().fit(x[rows].astype(np.float64)).transform(x.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


def test_a_constant_column_becomes_zeros() -> None:
    """Its scale is 1, also far from 0 where rounding would leave a deviation."""
    x = np.full((N, 2), [0.1, 12345.678], np.float32)
    inputs = Inputs((FeatureInput("f", "", x), NumberInput("c", np.full(N, 0.1)), NumberInput("z", np.zeros(N))))
    assert not Preparation.fit(inputs, all_rows(inputs)).design(inputs).dense().any()


def test_huge_beside_small_keeps_its_digits() -> None:
    """1e10 plus small differences is standardised before it becomes float32."""
    small = RNG.standard_normal(N)
    inputs = Inputs((NumberInput("huge", 1e10 + small), NumberInput("tiny", 0.1 + 1e-9 * small)))
    found = Preparation.fit(inputs, all_rows(inputs)).design(inputs).dense()
    expected = (small - small.mean()) / small.std()
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-5)


def test_numbers_near_the_largest_float_do_not_overflow() -> None:
    """Their squares would."""
    values = np.array([1e300, -1e300, 0, 3e299])
    inputs = Inputs((NumberInput("x", values),))
    found = Preparation.fit(inputs, all_rows(inputs)).design(inputs).dense()
    np.testing.assert_allclose(found[:, 0], (values / 1e300 - 0.075) / np.std(values / 1e300), rtol=1e-6)


def test_normalised_rows_have_length_one_and_rows_of_zeros_stay() -> None:
    """Also where squares would overflow in float32."""
    x = RNG.standard_normal((N, 8)).astype(np.float32)
    x[3], x[4] = 0, x[4] * 1e25
    inputs = Inputs((FeatureInput("f", "", x, scaling="normalised"),))
    found = Preparation.fit(inputs, np.arange(10)).design(inputs).dense()
    lengths = np.linalg.norm(found.astype(np.float64), axis=1)
    assert lengths[3] == 0
    np.testing.assert_allclose(np.delete(lengths, 3), 1, atol=1e-6)


def test_raw_features_are_the_array_itself() -> None:
    """Nothing is copied."""
    x = RNG.standard_normal((N, 4)).astype(np.float32)
    design = Preparation.fit(Inputs.of(x), np.arange(5)).design(Inputs.of(x))
    assert np.shares_memory(design.dense(), x)


def test_missing_numbers_are_the_training_mean_with_an_indicator() -> None:
    """The mean is 0 once standardised."""
    values = np.array([1.0, np.nan, 3.0, 5.0, np.nan])
    inputs = Inputs((NumberInput("area", values),))
    preparation = Preparation.fit(inputs, np.arange(4))
    assert preparation.columns == ("area", "area is missing")
    found = preparation.design(inputs).dense()
    np.testing.assert_allclose(found[:, 0], [-2 / np.sqrt(8 / 3), 0, 0, 2 / np.sqrt(8 / 3), 0], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], [0, 1, 0, 0, 1])


def test_a_number_first_missing_at_prediction_is_the_training_mean() -> None:
    """No training row lacked it, so there is no indicator that could have a weight."""
    inputs = Inputs((NumberInput("area", np.array([1.0, 2.0, np.nan])),))
    preparation = Preparation.fit(inputs, np.arange(2))
    assert preparation.columns == ("area",)
    assert preparation.design(inputs).dense()[2, 0] == 0


def test_a_number_that_no_training_row_has_is_zero_there() -> None:
    """Mean 0, scale 1, and an indicator that is always on."""
    inputs = Inputs((NumberInput("area", np.array([np.nan, np.nan, 4.0])),))
    np.testing.assert_array_equal(
        Preparation.fit(inputs, np.arange(2)).design(inputs).dense(), [[0, 1], [0, 1], [4, 0]]
    )


def test_an_infinite_number_is_refused_by_name_and_row() -> None:
    """In training and at prediction."""
    values = np.array([1.0, 2.0, -np.inf])
    inputs = Inputs((NumberInput("flux", values),))
    with pytest.raises(Refused, match=r"'flux': row 2 is -inf"):
        Preparation.fit(inputs, np.arange(3))
    with pytest.raises(Refused, match=r"'flux': row 2 is -inf"):
        Preparation.fit(inputs, np.arange(2)).design(inputs)


def test_features_that_are_not_finite_are_refused_by_row() -> None:
    """The row is that of the input."""
    x = np.zeros((5, 2), np.float32)
    x[4, 1] = np.nan
    with pytest.raises(Refused, match="row 4"):
        Preparation.fit(Inputs((FeatureInput("f", "", x),)), np.array([0, 2, 4]))


def test_categories_are_one_hot_unknown_is_zeros_and_missing_has_its_column() -> None:
    """Categories are those of training rows, sorted."""
    names = np.array(["b", "a", None, "new"], object)
    inputs = Inputs((CategoryInput("zip", names),))
    preparation = Preparation.fit(inputs, np.arange(3))
    assert preparation.columns == ("zip=a", "zip=b", "zip is missing")
    np.testing.assert_array_equal(preparation.design(inputs).dense(), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert Preparation.fit(inputs, np.arange(2)).columns == ("zip=a", "zip=b")


def test_rows_that_were_held_out_teach_nothing() -> None:
    """A preparation of some rows is the same, bit by bit, whatever poison stands in the others."""
    inputs, rows = mixed(), np.arange(0, N, 2)
    poisoned = mixed()
    poisoned.features[0].array[1::2] = 1e30
    poisoned.columns[0].values[1::2] = np.inf
    poisoned.columns[1].values[1::2] = "poison"
    clean, other = Preparation.fit(inputs, rows), Preparation.fit(poisoned, rows)
    assert clean.settings() == other.settings()
    for name, array in clean.tensors().items():
        np.testing.assert_array_equal(array, other.tensors()[name])


def test_a_design_in_blocks_equals_the_one_in_memory(tmp_path: Path) -> None:
    """From a float16 memory map with an index, rows in any order."""
    array = np.lib.format.open_memmap(tmp_path / "f.npy", "w+", np.float16, (300, 7))
    array[:] = RNG.standard_normal((300, 7))
    index = RNG.permutation(300)[:N]
    inputs = Inputs((FeatureInput("f", "", np.load(tmp_path / "f.npy", mmap_mode="r"), index), *mixed().columns))
    preparation = Preparation.fit(inputs, np.arange(0, N, 3))
    whole, blocks = preparation.design(inputs).dense(), preparation.design(inputs, memory=0)
    np.testing.assert_array_equal(np.concatenate([x for _, x in blocks.blocks(37)]), whole)
    some = RNG.permutation(N)[:20]
    np.testing.assert_array_equal(blocks.make(some), whole[some])


def test_saved_and_loaded_it_prepares_the_same() -> None:
    """Bit by bit, through JSON."""
    import json

    inputs = mixed()
    preparation = Preparation.fit(inputs, np.arange(0, N, 2))
    again = Preparation.from_saved(preparation.tensors(), json.loads(json.dumps(preparation.settings())))
    np.testing.assert_array_equal(again.design(inputs).dense(), preparation.design(inputs).dense())
    assert again.columns == preparation.columns
    assert again.parts == preparation.parts == {"auto": slice(0, 6), "area": slice(6, 8), "zip": slice(8, 12)}


def test_other_inputs_are_refused() -> None:
    """Missing, of another width, of another recipe (both are named), of another kind."""
    inputs = mixed()
    preparation = Preparation.fit(inputs, all_rows(inputs))
    auto, area, names = inputs.blocks
    x = inputs.features[0].array
    with pytest.raises(Refused, match="'area' is missing"):
        preparation.design(inputs.only(["auto", "zip"]))
    with pytest.raises(Refused, match="recipe r were learned from, but these are of recipe s"):
        preparation.design(Inputs((FeatureInput("auto", "s", x), area, names)))
    with pytest.raises(Refused, match="width 6"):
        preparation.design(Inputs((FeatureInput("auto", "r", x[:, :5]), area, names)))
    with pytest.raises(Refused, match="numbers were learned from"):
        preparation.design(Inputs((auto, CategoryInput("area", inputs.columns[1].values), names)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-999, 999).map(lambda value: value / 8)), min_size=4, max_size=30),
    st.data(),
)
def test_a_preparation_from_sums_equals_one_from_rows(values: list[float | None], data: st.DataObject) -> None:
    """What `refit` makes of a reference and its sums is what `fit` makes of the rows, columns included."""
    numbers = np.array([np.nan if value is None else value for value in values])
    names = np.array([None if value is None else "ab"[value > 0] for value in values], object)
    features = np.nan_to_num(numbers)[:, None].astype(np.float32)
    inputs = Inputs((FeatureInput("f", "", features), NumberInput("x", numbers), CategoryInput("c", names)))
    rows = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), min_size=2, unique=True)))
    reference = Preparation.reference(inputs)
    raw = np.empty((len(rows), reference.width))
    reference.fill(inputs, rows, raw)
    found = reference.refit(Sums(len(rows), raw.sum(axis=0), (raw**2).sum(axis=0)))
    expected = Preparation.fit(inputs, rows)
    if found is None:
        return
    assert found[0].columns == expected.columns
    design = expected.design(inputs).make(rows)
    np.testing.assert_allclose(found[1].columns(raw) + found[1].constant, design, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found[0].design(inputs).make(rows), design, rtol=1e-3, atol=1e-3)


def test_a_feature_that_is_rarely_on_is_not_blown_up():
    """A network's column that hardly moves in training is held to a tenth of the middle deviation; bare columns not."""
    rng = np.random.default_rng(0)
    array = rng.normal(size=(50, 9)).astype(np.float32)
    array[:, 4] = 1e-6 * rng.normal(size=50)
    array[49, 4] = 1.0
    training = np.arange(49)
    for recipe, most in (("0123456789abcdef", 20.0), ("", np.inf)):
        inputs = Inputs((FeatureInput("f", recipe, array),))
        x = Preparation.fit(inputs, training).design(inputs).dense()
        middle = np.median(array[training].std(axis=0))
        assert abs(x[49, 4]) < most
        assert (abs(x[49, 4]) > 1e4) == (not recipe)
        if recipe:
            assert x[49, 4] == pytest.approx(1.0 / (0.1 * middle), rel=1e-3)
