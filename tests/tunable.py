"""A little workspace on which an encoder can be tuned: images with labels of every kind, and a network for them."""

from pathlib import Path

import numpy as np
from PIL import Image

import boda

COLUMNS = "file,bright,noise,sheet,angle,count_1,count_2,shape_smooth,shape_disk,bar_yes,bar_no,zero,one"


def make_tunable(folder: Path, *, rows: int = 32) -> Path:
    """`images/` of two classes, `table.csv`, `tree.toml` of its votes, `net.safetensors`, and `w.boda` with features.

    Of the classes one has a brighter upper half. The network is a ResNet-20 with random weights whose norms have seen
    the images, so that its features differ from image to image.
    """
    rng = np.random.default_rng(0)
    lines, images = [COLUMNS], {}
    for row in range(rows):
        name, light = f"{'over' if row % 2 else 'under'}/{row:02}.png", int(rng.integers(20, 120))
        pixels = light + rng.integers(0, 100, (4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1)
        pixels[:16] += 30 * (row % 2)
        images[name] = pixels.astype(np.uint8)
        votes = f"{light},{140 - light},{light // 2},{70 - light // 2}"
        lines.append(f"{name},{light},{rng.normal():.3f},{row // 3},{row},{light},{140 - light},{votes},0,1")
    for name, pixels in images.items():
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / name)
    (folder / "table.csv").write_text("\n".join(lines))
    (folder / "tree.toml").write_text(
        'name = "small"\n[[question]]\nname = "shape"\nanswers = ["smooth", "disk"]\n'
        '[[question]]\nname = "bar"\nanswers = ["yes", "no"]\nafter = ["shape_disk"]\n'
    )
    _write_network(np.stack(list(images.values())), folder / "net.safetensors")
    boda.embed(folder / "images", encoders=[encoder_of(folder)], to=folder / "w.boda", workers=1)
    boda.label(folder / "w.boda", folder / "table.csv")
    return folder


def encoder_of(folder: Path):
    """The network as it is."""
    return boda.load_encoder("resnet:resnet20", weights=folder / "net.safetensors", device="cpu")


def _write_network(pixels: np.ndarray, place: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from boda.models.plan import NetworkPlan, build

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        network = build(NetworkPlan("resnet20", (32, 32), 3, 10)).train()
        for _ in range(30):
            network((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.45) / 0.23)
    save_file(network.state_dict(), place)
