"""Linear layers of others: read without running anything, and only for features of length 1."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from boda.errors import NotFound, Refused
from boda.heads.imported import SCALING, read_linear_head, refuse_unnormalised


@pytest.mark.parametrize(("name", "width"), [("vit_b_16", 512), ("vit_b_32", 512), ("vit_l_14", 768)])
def test_the_aesthetic_heads_of_laion_are_read(boda_data, name, width):
    """Each gives the numbers that torch's own layer gives."""
    file = boda_data / "weights" / f"sa_0_4_{name}_linear.pth"
    weights, offset = read_linear_head(file)
    assert (weights.shape, offset.shape, SCALING) == ((1, width), (1,), "normalised")
    layer = torch.nn.Linear(width, 1)
    layer.load_state_dict(torch.load(file, weights_only=True))
    features = np.random.default_rng(0).normal(size=(5, width)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    refuse_unnormalised(features)
    with torch.no_grad():
        expected = layer(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(features @ weights.T + offset, expected, atol=1e-4)


def test_safetensors_and_wrapped_layers_are_read(tmp_path):
    """Whatever the names of the two tensors, and under `state_dict` too."""
    layer = torch.nn.Linear(3, 2)
    save_file({"head.weight": layer.weight.data, "head.bias": layer.bias.data}, tmp_path / "a.safetensors")
    torch.save({"state_dict": layer.state_dict()}, tmp_path / "a.pth")
    for file in (tmp_path / "a.safetensors", tmp_path / "a.pth"):
        weights, offset = read_linear_head(file)
        np.testing.assert_array_equal(weights, layer.weight.detach().numpy())
        np.testing.assert_array_equal(offset, layer.bias.detach().numpy())


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.ones(1, 3)},
        {"weight": torch.ones(2, 3), "bias": torch.ones(3)},
        {"weight": torch.full((1, 3), torch.nan), "bias": torch.ones(1)},
        {"a.weight": torch.ones(1, 3), "a.bias": torch.ones(1), "b.weight": torch.ones(1, 1)},
        {"weight": torch.ones(0, 3), "bias": torch.ones(0)},
    ],
)
def test_what_is_not_one_linear_layer_is_refused(tmp_path, tensors):
    """Without an offset, with one of another length, with NaN, with more layers, or empty."""
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(Refused, match="not one linear layer"):
        read_linear_head(tmp_path / "a.pth")


def test_code_in_the_file_is_not_run(tmp_path):
    """A pickle of objects is refused; a missing file is named."""
    torch.save({"weight": Path("x")}, tmp_path / "a.pth")
    with pytest.raises(Refused, match="never unpickles code"):
        read_linear_head(tmp_path / "a.pth")
    with pytest.raises(NotFound, match="no such file"):
        read_linear_head(tmp_path / "b.pth")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_features_of_length_one_pass(dtype):
    """Also after rounding to float16."""
    features = np.random.default_rng(1).normal(size=(50, 512))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    refuse_unnormalised(features.astype(dtype))
    refuse_unnormalised(np.zeros((0, 512), dtype))


@pytest.mark.parametrize("length", [0.0, 0.99, 1.01, 11.3, np.nan, np.inf])
def test_features_of_another_length_are_refused(length):
    """One row is enough; the error names it, and what to do."""
    features = np.zeros((70_000, 2), np.float32)
    features[:, 0] = 1
    features[66_000, 0] = length
    with pytest.raises(Refused, match=r"1 of 70,000 .*row 66000 has length .*divide each row by its length"):
        refuse_unnormalised(features)
