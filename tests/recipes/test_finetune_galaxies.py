"""Fine-tuning on galaxies, tiny: a few real images, a network with random weights."""

import pytest

import boda
import finetune_galaxies
from little_data import little_data, of_each

torch = pytest.importorskip("torch")


def test_frozen_and_tuned_stand_beside_each_other(boda_data, tmp_path):
    """A line a metric with both and the gain, what was kept, and an encoder that loads."""
    from safetensors.torch import save_file

    from boda.models.plan import NetworkPlan, build

    data = little_data(boda_data, tmp_path / "data", "galaxies_gz2", "catalog.csv", of_each("derived_label", 8))
    torch.manual_seed(0)
    save_file(build(NetworkPlan("resnet20", (32, 32), 3, 10)).state_dict(), tmp_path / "net.safetensors")
    encoder = boda.load_encoder("resnet:resnet20", weights=tmp_path / "net.safetensors", pixels="size=48")
    receipt = finetune_galaxies.run(data, tmp_path / "out", encoder=encoder, epochs=1, batch=8, folds=2)
    lines = [line for line in receipt.splitlines() if line.startswith("| auc |")]
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[1] == "0.500"
    assert cells[4][0] in "+-"
    assert " to " in cells[4]
    assert "Kept, of all rows" in receipt
    assert "32 rows" in receipt
    assert boda.load_encoder(f"run:{tmp_path / 'out' / 'merger'}").class_names == ("other", "merger")
