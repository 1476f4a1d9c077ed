"""Names of the emblems' classes, colours, textures and domains.

Every tuple is in label order: drawing, captions and the data set index into it.
"""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "anchor",
    "apple",
    "bell",
    "butterfly",
    "cactus",
    "car",
    "cat",
    "crown",
    "fish",
    "flag",
    "flower",
    "heart",
    "hourglass",
    "house",
    "ice cream",
    "key",
    "lightning bolt",
    "moon",
    "mug",
    "mushroom",
    "rocket",
    "sailing boat",
    "star",
    "tree",
)

COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")

TEXTURES: tuple[str, ...] = ("plain", "striped", "spotted", "checked")

DOMAINS: tuple[str, ...] = ("photo", "sketch", "blueprint", "neon", "mosaic", "watercolour")

TEMPLATE = "a picture of a {}."
