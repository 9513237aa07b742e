"""Figures of the paper, He et al., arXiv:1512.03385: errors in %, with where they stand."""

CIFAR_RESIDUAL = {20: "8.75", 32: "7.51", 44: "7.17", 56: "6.97", 110: "6.43"}
"""Test error on CIFAR-10 by layers, table 6; option A. The last is the best of five runs (6.61 ± 0.16)."""
CIFAR_PLAIN = {20: "about 9", 56: "about 13"}
"""Plain networks, read off figure 6, which has no numbers; those of 32 and 44 layers lie between."""
CIFAR_PARAMETERS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7"}
"""Millions, table 6."""

IMAGENET_TEN_CROPS = {
    "resnet18": ("27.88", ""),
    "resnet18?residual=false": ("27.94", ""),
    "resnet34?shortcut=A": ("25.03", "7.76"),
    "resnet34": ("24.52", "7.46"),
    "resnet34?shortcut=C": ("24.19", "7.40"),
    "resnet34?residual=false": ("28.54", "10.02"),
    "resnet50": ("22.85", "6.71"),
    "resnet101": ("21.75", "6.05"),
    "resnet152": ("21.43", "5.71"),
}
"""Top-1 and top-5 error on ImageNet's validation images, 10 crops, tables 2 and 3; option A of 18 layers."""
IMAGENET_SCALES = {
    "resnet34": ("21.84", "5.71"),
    "resnet34?shortcut=C": ("21.53", "5.60"),
    "resnet50": ("20.74", "5.25"),
    "resnet101": ("19.87", "4.60"),
    "resnet152": ("19.38", "4.49"),
}
"""At several scales, table 4."""

MULTIPLY_ADDS = {"VGG-19": "19.6", "34-layer plain": "3.6", "34-layer residual": "3.6"}
"""Billions, figure 3."""
