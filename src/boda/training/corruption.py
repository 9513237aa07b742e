"""Corruption: what an autoencoder sees in place of the image that it has to give back."""

import torch
from torch import Tensor
from torch.nn import functional

from boda.training.objective import Objective


def spoilt(images: Tensor, objective: Objective) -> Tensor:
    """(b, c, h, w), 0 to 1, with noise (Vincent et al., ICML 2008) and black patches (He et al., CVPR 2022).

    Drawn from torch's generator. The images themselves stay as they are.
    """
    if objective.noise:
        images = (images + objective.noise * torch.randn_like(images)).clamp(0, 1)
    if objective.masked:
        height, width = images.shape[-2:]
        shape = (len(images), 1, -(-height // objective.patch), -(-width // objective.patch))
        kept = (torch.rand(shape, device=images.device) >= objective.masked).to(images.dtype)
        mask = functional.interpolate(kept, scale_factor=float(objective.patch))
        images = images * mask[..., :height, :width]
    return images
