"""Each step does what torchvision's transform of the same name does with the same parameters, and draws as it does."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from boda.errors import Refused
from boda.pixels.augmenting.chance import uniforms
from boda.pixels.augmenting.crops import PadAndCrop, RandomResizedCrop, ScaleJitterCrop
from boda.pixels.augmenting.erasing import RandomErasing
from boda.pixels.augmenting.flips import HorizontalFlip, VerticalFlip
from boda.pixels.augmenting.jitter import ColorJitter, Lighting
from boda.pixels.augmenting.operations import NARROW, OPERATIONS, SIGNED, WIDE, operate
from boda.pixels.augmenting.policies import AutoAugment, RandAugment, TrivialAugment
from boda.pixels.augmenting.warping import Affine, Rotation
from boda.torchvision_door import open_door

open_door()
from torchvision.transforms import v2  # noqa: E402
from torchvision.transforms.v2 import functional as F  # noqa: E402

PRESENT = np.arange(3000)


@pytest.fixture
def image(photo) -> torch.Tensor:
    """(3, 90, 120), channels last in memory, as steps get it."""
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1)


def numbers_of(step, rows=PRESENT):
    """(n, draws) for these rows."""
    return uniforms(5, 2, rows, [step.draws])[0]


def alike(found, expected, *, share=0.999):
    """Levels agree but for rounding, save at a few pixels where a nearest neighbour is tied."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == torch.uint8
    assert float(((found.int() - expected.int()).abs() <= 1).float().mean()) >= share


def same_distribution(one, other):
    assert stats.ks_2samp(one, other).pvalue > 1e-4


def test_flips_mirror_the_image(image):
    """At the numbers below p; one twice is none."""
    for step, dimension in ((HorizontalFlip(0.3), 2), (VerticalFlip(0.3), 1)):
        assert torch.equal(step.apply(image, np.array([0.2999])), image.flip(dimension))
        assert torch.equal(step.apply(image, np.array([0.3])), image)
        assert abs(step.happens(numbers_of(step)).mean() - 0.3) < 0.03
    assert HorizontalFlip(1).happens(np.array([1 - 2**-32]))
    assert not HorizontalFlip(0).happens(np.array([0.0]))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill", [0, 117, (255, 0, 10)])
@pytest.mark.parametrize("degrees", [-180, -90, -14.9, 0, 3, 90, 133.3])
def test_rotation_with_a_colour_is_torchvisions(image, degrees, fill, interpolation):
    """But for the sense of the angle, and the border, where torchvision mixes the colour in twice."""
    step = Rotation(180, fill=fill, interpolation=interpolation)
    found = step.apply(image, np.array([(degrees + 180) / 360]))
    colour = torch.tensor(fill, dtype=torch.float32).view(-1, 1, 1)
    expected = F.rotate(image - colour, -degrees, interpolation=interpolation) + colour
    alike(found, expected.round().to(torch.uint8), share=0.99)
    theirs = F.rotate(image, -degrees, interpolation=interpolation, fill=list(np.atleast_1d(fill).astype(float)))
    alike(found, theirs, share=0.97)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_affine_with_a_colour_is_torchvisions(image, interpolation):
    """Angle, shifts in whole pixels, scale and both shears, as drawn."""
    step = Affine(40, (0.2, 0.1), (0.7, 1.5), (20, 30), fill=9, interpolation=interpolation)
    for drawn in numbers_of(step, range(20)):
        angle, right, down, scale, across, upright = drawn
        expected = F.affine(
            image - 9.0,
            angle=-40 + 80 * angle,
            translate=[round((2 * right - 1) * 0.2 * 120), round((2 * down - 1) * 0.1 * 90)],
            scale=0.7 + 0.8 * scale,
            shear=[-20 + 40 * across, -30 + 60 * upright],
            interpolation=interpolation,
        )
        alike(step.apply(image, drawn), (expected + 9).round().to(torch.uint8), share=0.99)


@pytest.mark.parametrize("fill", ["reflect", "edge"])
def test_there_are_no_black_corners_unless_asked(fill):
    """A white image stays white however it is turned, shifted and sheared; with fill=0 it does not."""
    white = torch.full((3, 30, 50), 255, dtype=torch.uint8)
    for step in (Rotation(180, fill), Affine(180, (0.9, 0.9), (0.3, 2), (60, 60), fill), PadAndCrop(9, fill)):
        for drawn in numbers_of(step, range(20)):
            assert (step.apply(white, drawn) == 255).all()
    for step in (Rotation(180, 0), Affine(180, fill=0), PadAndCrop(9, 0)):
        assert (step.apply(white, numbers_of(step, [3])[0]) == 0).any()


def test_mirrored_corners_are_the_image_beyond_its_border(image):
    """Shifted by 30 pixels, the 30 columns beside the border are seen again, mirrored."""
    step = Affine(0, (0.25, 0))
    shifted = step.apply(image, np.array([0.5, 1 - 2**-32, 0.5, 0.5, 0.5, 0.5]))
    assert torch.equal(shifted[..., 30:], image[..., :-30])
    assert torch.equal(shifted[..., :30], image[..., :30].flip(-1))


@pytest.mark.parametrize("fill", ["reflect", "edge", 0, (9, 8, 7)])
def test_pad_and_crop_is_torchvisions(image, fill):
    """At every place that a window can be at, each as often as the others."""
    step = PadAndCrop(2, fill)
    mode = fill if isinstance(fill, str) else "constant"
    padded = F.pad(
        image, [2], padding_mode=mode, fill=[float(one) for one in np.atleast_1d(fill)] if mode == "constant" else 0
    )
    for top in range(5):
        for left in range(5):
            found = step.apply(image, np.array([(top + 0.5) / 5, (left + 0.5) / 5]))
            assert torch.equal(found, padded[:, top : top + 90, left : left + 120])
    corners = (numbers_of(step) * 5).astype(int)
    counts = np.bincount(corners[:, 0] * 5 + corners[:, 1], minlength=25)
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(("height", "width"), [(90, 120), (40, 200), (32, 32)])
def test_random_resized_crops_are_drawn_as_torchvision_draws_them(height, width):
    """Height, width, top and left of 3,000 boxes have the same distributions; all lie within the image."""
    step, other = RandomResizedCrop(24), v2.RandomResizedCrop(24)
    ours = np.array([step.box(height, width, drawn) for drawn in numbers_of(step)])
    torch.manual_seed(0)
    blank = torch.zeros(3, height, width)
    theirs = [other.make_params([blank]) for _ in PRESENT]
    for place, name in enumerate(("top", "left", "height", "width")):
        same_distribution(ours[:, place], [one[name] for one in theirs])
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4), (10, 10)])
def test_where_no_crop_fits_it_is_torchvisions_centre(height, width):
    """The widest or tallest part from the middle, or all."""
    step, other = (
        RandomResizedCrop(8, scale=(1, 1), ratio=(0.5, 2)),
        v2.RandomResizedCrop(8, scale=(1, 1), ratio=(0.5, 2)),
    )
    drawn = np.full(step.draws, 0.999)
    assert (
        len(set(step.box(height, width, drawn)) | set(other.make_params([torch.zeros(3, height, width)]).values())) <= 4
    )
    fits = other.make_params([torch.zeros(3, height, width)])
    assert step.box(height, width, drawn) == (fits["top"], fits["left"], fits["height"], fits["width"])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_random_resized_crop_is_crop_and_resize(image, interpolation):
    """Cut first, then resized with antialias."""
    step = RandomResizedCrop((20, 30), interpolation=interpolation)
    for drawn in numbers_of(step, range(4)):
        top, left, height, width = step.box(90, 120, drawn)
        cut = image[:, top : top + height, left : left + width]
        expected = F.resize(cut, [20, 30], interpolation=interpolation, antialias=True)
        assert torch.equal(step.apply(image, drawn), expected)


def test_scale_jitter_takes_every_length_and_place(image):
    """The shorter side is any whole number of its range; the crop is a part of the resized image."""
    step = ScaleJitterCrop(32, (40, 44))
    drawn = numbers_of(step)
    counts = np.bincount(40 + (drawn[:, 0] * 5).astype(int), minlength=45)[40:]
    assert stats.chisquare(counts).pvalue > 1e-4
    for one in drawn[:10]:
        resized = F.resize(image, [40 + int(one[0] * 5)], antialias=True)
        assert min(resized.shape[1:]) == 40 + int(one[0] * 5)
        parts = resized.unfold(1, 32, 1).unfold(2, 32, 1)
        found = step.apply(image, one)
        assert (parts == found[:, None, None]).all(-1).all(-1).all(0).any()


def test_sizes_follow_the_network():
    """Another input size keeps the share of the image that is seen."""
    assert ScaleJitterCrop().sized((112, 112)) == ScaleJitterCrop(112, (128, 240))
    assert RandomResizedCrop(224, scale=(0.8, 1)).sized((32, 48)) == RandomResizedCrop((32, 48), scale=(0.8, 1))
    assert HorizontalFlip().sized((32, 32)) == HorizontalFlip()
    with pytest.raises(Refused, match="the crop must fit in"):
        ScaleJitterCrop(300)


def test_color_jitter_is_torchvisions(image):
    """The same four changes in the same order."""
    step, other = ColorJitter(0.4, 1.5, 0.3, 0.2), v2.ColorJitter(0.4, 1.5, 0.3, 0.2)
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    for drawn in numbers_of(step, range(10)):
        params = dict(zip(names, step.factors(drawn), strict=True)) | {
            "fn_idx": torch.from_numpy(np.argsort(drawn[:4]))
        }
        assert torch.equal(step.apply(image, drawn), other.transform(image, params))
    still = ColorJitter()
    assert torch.equal(still.apply(image, numbers_of(still, [0])[0]), image)


def test_color_jitter_draws_as_torchvision_does():
    """Factors from max(0, 1 - x) to 1 + x, hue either way, every order as often as the others."""
    step, other = ColorJitter(0.4, 1.5, 0.3, 0.2), v2.ColorJitter(0.4, 1.5, 0.3, 0.2)
    drawn = numbers_of(step)
    ours = np.array([step.factors(one) for one in drawn])
    torch.manual_seed(1)
    theirs = [other.make_params([]) for _ in PRESENT]
    for place, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        same_distribution(ours[:, place], [one[f"{name}_factor"] for one in theirs])
    orders = np.unique(np.argsort(drawn[:, :4], axis=1), axis=0, return_counts=True)[1]
    assert len(orders) == math.factorial(4)
    assert stats.chisquare(orders).pvalue > 1e-4


def test_lighting_has_the_colours_of_imagenet(image):
    """The shifts have mean 0 and the covariance of AlexNet's principal components, and are the same at every pixel."""
    step = Lighting(0.1)
    shifts = np.array([step.shift(drawn) for drawn in numbers_of(step, np.arange(30_000))]) / 255
    directions = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    expected = directions @ np.diag(np.square([0.02175, 0.00188, 0.00045])) @ directions.T
    np.testing.assert_allclose(np.cov(shifts.T), expected, rtol=0.05, atol=1e-7)
    assert np.abs(shifts.mean(axis=0)).max() < 5 * 0.0127 / math.sqrt(30_000)
    drawn = numbers_of(step, [4])[0]
    moved = torch.full((3, 5, 5), 128, dtype=torch.uint8)
    np.testing.assert_array_equal(
        step.apply(moved, drawn)[:, 2, 3].numpy(), np.rint(128 + step.shift(drawn)).astype(np.uint8)
    )
    with pytest.raises(Refused, match="three colours"):
        step.apply(image[:1], drawn)


def test_random_erasing_draws_as_torchvision_does(image):
    """Boxes have the same distributions, noise is of every level, and nothing else is touched."""
    step, other = RandomErasing(1.0), v2.RandomErasing(1.0)
    drawn = numbers_of(step)
    ours = np.array([step.box(90, 120, one) for one in drawn])
    torch.manual_seed(2)
    theirs = [other.make_params([image]) for _ in PRESENT]
    for place, name in enumerate("ijhw"):
        same_distribution(ours[:, place], [one[name] for one in theirs])
    for one, (top, left, height, width) in zip(drawn[:20], ours, strict=False):
        erased = step.apply(image, one)
        inside = torch.zeros(90, 120, dtype=torch.bool)
        inside[top : top + height, left : left + width] = True
        assert torch.equal(erased[:, ~inside], image[:, ~inside])
        if inside.sum() > 300:
            levels = erased[:, inside].float()
            assert abs(float(levels.mean()) - 127.5) < 15
            assert abs(float(levels.std()) - 73.9) < 10


def test_random_erasing_leaves_as_many_alone_as_it_says(image):
    """One in four at p = 0.75; a grey level instead of noise; torchvision's result for the same box."""
    step = RandomErasing(0.75, value=77)
    boxes = [step.box(90, 120, one) for one in numbers_of(step)]
    assert abs(np.mean([box is None for box in boxes]) - 0.25) < 0.03
    row, box = next((row, box) for row, box in enumerate(boxes) if box)
    expected = F.erase(image, *box, v=torch.tensor([[[77]]], dtype=torch.uint8))
    assert torch.equal(step.apply(image, numbers_of(step)[row]), expected)


@pytest.mark.parametrize("name", [*OPERATIONS, "Invert"])
def test_operations_are_torchvisions(image, name):
    """With black beyond the image, at several amounts and both signs."""
    other = v2.RandAugment(fill=0)
    for share in (0.0, 0.3, 1.0):
        amount = NARROW.amount(name, share, 90, 120)
        for signed in {amount, -amount} if name in SIGNED else {amount}:
            given = signed / 255 if name == "Solarize" else signed
            expected = other._apply_image_or_video_transform(image, name, given, "nearest", other._fill)
            alike(operate(image, name, signed, 0, "nearest"), expected, share=0.985)


@pytest.mark.parametrize(
    ("reach", "bins", "other"),
    [(NARROW, 31, v2.RandAugment), (NARROW, 10, v2.AutoAugment), (WIDE, 31, v2.TrivialAugmentWide)],
)
def test_operations_go_as_far_as_torchvisions(reach, bins, other):
    """The table of amounts, at every level."""
    for name, (amounts, signed) in other._AUGMENTATION_SPACE.items():
        expected = amounts(bins, 90, 120)
        assert signed == (name in SIGNED)
        for level in range(bins):
            found = reach.amount(name, level / (bins - 1), 90, 120)
            bound = 255 if name == "Solarize" else 1
            assert found == pytest.approx(0 if expected is None else bound * float(expected[level]), abs=2e-4)
    assert set(OPERATIONS) | {"Invert"} >= set(other._AUGMENTATION_SPACE)


def test_policies_choose_every_operation_as_often(monkeypatch, image):
    """Names and signs are uniform, RandAugment takes num_ops with replacement, TrivialAugment one at any level."""
    done = []
    monkeypatch.setattr(
        "boda.pixels.augmenting.policies.operate", lambda image, name, amount, *_: done.append((name, amount)) or image
    )
    for step, count in ((RandAugment(3, 9), 3), (TrivialAugment(), 1)):
        done.clear()
        for drawn in numbers_of(step, np.arange(1400)):
            step.apply(image, drawn)
        names, counts = np.unique([name for name, _ in done], return_counts=True)
        assert len(done) == 1400 * count
        assert len(names) == len(OPERATIONS)
        assert stats.chisquare(counts).pvalue > 1e-4
        signs = [amount > 0 for name, amount in done if name in SIGNED and amount]
        assert abs(np.mean(signs) - 0.5) < 0.06
    assert len({amount for name, amount in done if name == "Rotate"}) > 20


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_auto_augment_takes_the_learned_pairs(monkeypatch, image, policy):
    """Each operation of torchvision's tables, as often as its probability says."""
    done = []
    monkeypatch.setattr(
        "boda.pixels.augmenting.policies.operate", lambda image, name, amount, *_: done.append((name, amount)) or image
    )
    step = AutoAugment(policy)
    for drawn in numbers_of(step):
        step.apply(image, drawn)
    pairs = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies
    for name in {one[0] for pair in pairs for one in pair}:
        expected = sum(often for pair in pairs for which, often, _ in pair if which == name) / len(pairs)
        assert abs(sum(which == name for which, _ in done) / len(PRESENT) - expected) < 0.06


@pytest.mark.parametrize(
    "step",
    [
        *(HorizontalFlip(1), VerticalFlip(1), PadAndCrop(3), RandomResizedCrop(16), ScaleJitterCrop(16, (18, 30))),
        *(Rotation(30), Affine(10), ColorJitter(0.2, 0.2, 0.2, 0.1), RandAugment(3), TrivialAugment(), AutoAugment()),
        RandomErasing(1.0),
    ],
    ids=lambda step: step.name,
)
def test_grey_images_of_one_channel_can_be_augmented(image, step):
    """As those of Fashion-MNIST; nothing is written to."""
    before = image[:1].clone()
    for drawn in numbers_of(step, range(8)):
        assert step.apply(before, drawn).shape[0] == 1
    assert torch.equal(before, image[:1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HorizontalFlip(1.5), "horizontal_flip: p=1.5 must be from 0 to 1"),
        (lambda: Rotation(200), "degrees=200"),
        (lambda: Rotation(15, fill="black"), "fill=black must be reflect, edge, a grey level"),
        (lambda: Rotation(15, fill=256), "fill=256"),
        (lambda: Rotation(15, fill=(1, 2)), r"fill=\(1, 2\)"),
        (lambda: Rotation(15, interpolation="bicubic"), "one of nearest, bilinear"),
        (lambda: RandomResizedCrop(0), "size=0 must be pixels"),
        (lambda: RandomResizedCrop((224, True)), "size="),
        (lambda: RandomResizedCrop(224, scale=(0.9, 0.1)), "the smaller first"),
        (lambda: RandomResizedCrop(224, scale=0.5), "two numbers"),
        (lambda: ColorJitter(brightness=-1), "0 or more"),
        (lambda: ColorJitter(hue=0.6), "hue=0.6 must be from 0 to 0.5"),
        (lambda: ColorJitter(hue=float("nan")), "hue=nan"),
        (lambda: PadAndCrop(-1), "padding=-1"),
        (lambda: PadAndCrop(1.5), "padding=1.5 must be a whole number"),
        (lambda: Affine(5, translate=(0.1, 2)), "translate="),
        (lambda: RandAugment(2, 31), "magnitude=31 must be a whole number from 0 to 30"),
        (lambda: AutoAugment("mnist"), "policy=mnist must be one of imagenet, cifar10, svhn"),
        (lambda: RandomErasing(value="noise"), "value=noise"),
    ],
)
def test_nonsense_is_refused_in_one_line(make, words):
    """The step, the field, its value, and what it must be."""
    with pytest.raises(Refused, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
