"""What a map shows and does not show, in words that every picture of it carries."""

from boda.maps.mapping import Settings
from boda.maps.space import Space

_NEIGHBOURS_ONLY = (
    "{name} keeps neighbours: images that lie beside each other are mostly alike. How far groups lie from each other, "
    "and how large or dense a group is, says nothing."
)


def limits(settings: Settings, space: Space) -> tuple[str, ...]:
    """Sentences about what cannot be read off a map of this kind."""
    if settings.method == "pca":
        share = 100 * float(space.shares[: settings.dims].sum())
        said = (
            f"The {settings.dims} widest directions hold {share:.0f} % of the variance: images that differ in others "
        )
        return (said + "only lie on top of each other. Distances can be compared, in these directions alone.",)
    name = {"tsne": "t-SNE", "umap": "UMAP"}[settings.method]
    return (
        _NEIGHBOURS_ONLY.format(name=name),
        "Gaps can be torn into what is one cloud: whether groups are real is not for a map to say. Ask boda cluster.",
    )
