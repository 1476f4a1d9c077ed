"""VAW-CZSL: 92,583 cut-outs of photographs of 541 objects with 440 attributes, in 15,967 pairs.

    <root>/vaw-czsl/     images/*.jpg, compositional-split-natural/*_pairs.txt (lines "attribute+object"),
                         metadata_compositional-split-natural.t7 or metadata.csv

Source: Saini, Pham, Shrivastava, "Disentangling visual embeddings for attributes and objects", CVPR 2022,
arXiv:2205.08536. https://github.com/nirat1606/OADis
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.compositions.composition_sets import LIES, TEMPLATE, CompositionSet, PairCounts
from fedsilo.data.published.dataset_card import Card


@dataclass(frozen=True, slots=True)
class VawCzsl(CompositionSet):
    """VAW-CZSL: 541 objects with 440 attributes, 11,175 seen pairs."""

    homes: ClassVar[tuple[str, ...]] = ("vaw-czsl", "vaw_czsl", "vaw")
    published: ClassVar[PairCounts] = PairCounts(
        440, 541, 11_175, (2121, 2322), (2449, 2470), images=(72_203, 9_524, 10_856)
    )
    card: ClassVar[Card] = Card(
        name="vaw_czsl",
        classes=15_967,
        images=92_583,
        template=TEMPLATE,
        lies=f"vaw-czsl/: {LIES}",
        get="https://github.com/nirat1606/OADis links images and split: they go into vaw-czsl/.",
    )
