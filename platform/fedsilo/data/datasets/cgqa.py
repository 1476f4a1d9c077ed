"""C-GQA: 39,298 cut-outs of photographs of 674 objects with 413 attributes, in 7,555 pairs.

    <root>/cgqa/         images/*.jpg, compositional-split-natural/*_pairs.txt,
                         metadata_compositional-split-natural.t7 or metadata.csv

Source: Naeem et al., "Learning graph embeddings for compositional zero-shot learning", CVPR 2021, arXiv:2102.01987, in
the updated version that later work uses. https://github.com/ExplainableML/czsl
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.compositions.composition_sets import LIES, TEMPLATE, CompositionSet, PairCounts
from fedsilo.data.published.dataset_card import Card


@dataclass(frozen=True, slots=True)
class CGqa(CompositionSet):
    """C-GQA: 674 objects with 413 attributes, 5,592 seen pairs."""

    homes: ClassVar[tuple[str, ...]] = ("cgqa", "c-gqa", "C-GQA")
    published: ClassVar[PairCounts] = PairCounts(
        413, 674, 5592, (1252, 1040), (888, 923), images=(26_920, 7_280, 5_098)
    )
    card: ClassVar[Card] = Card(
        name="cgqa",
        classes=7555,
        images=39_298,
        template=TEMPLATE,
        lies=f"cgqa/: {LIES}",
        get="utils/download_data.sh of https://github.com/ExplainableML/czsl fetches it: it goes into cgqa/.",
    )
