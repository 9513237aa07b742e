"""The order of layers in real architectures, against timm's own; which learn how fast, and which rest."""

import pytest

from boda.errors import Refused

torch = pytest.importorskip("torch")

from boda.encoders import resnets, timm_models  # noqa: E402
from boda.training.layerwise import frozen_modules, frozen_parameters, layers_of  # noqa: E402


def network_of(name: str):
    network = resnets.remade(name, {}) if name.startswith("resnet") else timm_models.remade(name, {}, (64, 64))
    network.module.eval()
    return network


def layers(name: str, side: int = 64):
    network = network_of(name)
    return network, layers_of(network.module, network.features, torch.zeros(1, 3, side, side))


def owners(order) -> list[str]:
    """The module of the first parameter of each layer that is one of a sequence."""
    return [".".join(names[0].split(".")[:2]) for names in order]


def test_blocks_of_a_resnet_are_layers_and_norms_belong_to_what_they_follow():
    """The stem with its norm, then nine blocks; nothing is left out but the classifier that is not there."""
    network, found = layers("resnet20", 32)
    assert found.order[0] == ("conv1.weight", "bn1.weight", "bn1.bias")
    assert owners(found.order[1:]) == [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]
    assert not found.unused
    assert {name for names in found.order for name in names} == {name for name, _ in network.module.named_parameters()}


@pytest.mark.parametrize(
    ("name", "side"), [("test_vit", 160), ("tf_efficientnet_lite0", 64), ("test_resnet", 64), ("test_convnext", 64)]
)
def test_the_order_is_that_of_timm(name, side):
    """Where timm says that one parameter comes before another, its layer does not come after that one's."""
    network, found = layers(name, side)
    from timm.models._manipulate import group_parameters

    theirs = group_parameters(network.module, network.module.group_matcher(coarse=False), reverse=True)
    ours = {one: place for place, names in enumerate(found.order) for one in names}
    assert ours.keys() == theirs.keys()
    assert len(found.order) >= 4
    for one, place in ours.items():
        assert all(place <= ours[other] for other in ours if theirs[one] < theirs[other]), one


def test_parameters_outside_of_modules_learn_as_the_first_layer():
    """The position embedding and the class token of a transformer stand before everything."""
    _, found = layers("test_vit", 160)
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight"} <= set(found.order[0])
    assert "norm.weight" in found.order[-1]


def test_rates_fall_towards_the_input():
    """A geometric row that ends one step below the head."""
    _, found = layers("resnet20", 32)
    scales = found.scales(0.5)
    assert scales["layer3.2.conv2.weight"] == 0.5
    assert scales["layer3.1.conv2.weight"] == 0.25
    assert scales["conv1.weight"] == scales["bn1.bias"] == 0.5**10
    assert set(found.scales(1.0).values()) == {1.0}
    with pytest.raises(Refused, match=r"layer_decay=1\.5"):
        found.scales(1.5)


def test_what_the_features_do_not_need_is_unused():
    """A decoder takes no part, so it never changes."""
    from boda.models.autoencoder import autoencoder

    network = autoencoder(32, features=8, stages=[8, 8]).eval()
    found = layers_of(network, lambda module, images: module.encode(images), torch.zeros(1, 3, 32, 32))
    assert found.unused == {name for name, _ in network.named_parameters() if name.startswith("decoder")}
    assert len(found.order) == 3


def test_layers_are_frozen_by_name_or_by_share():
    """A name stands for all below it, not for what merely begins with the same signs."""
    network, found = layers("resnet20", 32)
    module = network.module

    def frozen(how):
        return frozen_parameters(module, found, how)

    assert frozen(None) == frozenset() == frozen(0)
    assert {name.partition(".")[0] for name in frozen("layer1, conv1")} == {"layer1", "conv1"}
    assert frozen("layer1.0.bn1") == {"layer1.0.bn1.weight", "layer1.0.bn1.bias"}
    assert (
        {name.partition(".")[0] for name in frozen("0.4")}
        == {"conv1", "bn1", "layer1"}
        == {name.partition(".")[0] for name in frozen(0.4)}
    )
    assert len(frozen(1.0)) == len(list(module.named_parameters()))
    with pytest.raises(Refused, match=r"freeze=layer11: no layer of this name; near: layer1"):
        frozen("layer11")
    with pytest.raises(Refused, match=r"there are conv1, bn1, layer1, layer2, layer3; or give a share"):
        frozen("stem?")
    with pytest.raises(Refused, match="a share of the layers is from 0 to 1"):
        frozen(2.0)


def test_the_largest_modules_of_which_nothing_changes_rest():
    """All of a stage at once; of another only its frozen block."""
    network, found = layers("resnet20", 32)
    module = network.module
    resting = frozen_modules(module, frozen_parameters(module, found, "layer1,layer2.0"))
    assert resting == (module.layer1, module.layer2[0])
    assert frozen_modules(module, frozen_parameters(module, found, 1.0)) == (module,)
    assert frozen_modules(module, frozenset()) == ()
