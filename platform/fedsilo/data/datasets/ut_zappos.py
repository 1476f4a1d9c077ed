"""UT-Zappos: 29,126 catalogue photographs of 12 kinds of shoes of 16 materials, in 116 pairs.

    <root>/ut-zappos/    images/<attribute>_<object>/*.jpg, compositional-split-natural/*_pairs.txt,
                         metadata_compositional-split-natural.t7 or metadata.csv

Names keep their dots in files ("Faux.Leather", "Boots.Ankle"); prompts have blanks and lower case.

Sources: Yu, Grauman, "Fine-grained visual comparisons with local learning", CVPR 2014; the split is that of
Purushwalkam et al., ICCV 2019, arXiv:1905.05908. http://vision.cs.utexas.edu/projects/finegrained/utzap50k/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.compositions.composition_sets import LIES, TEMPLATE, CompositionSet, PairCounts
from fedsilo.data.published.dataset_card import Card


@dataclass(frozen=True, slots=True)
class UtZappos(CompositionSet):
    """UT-Zappos: 12 kinds of shoes of 16 materials, 83 seen pairs."""

    homes: ClassVar[tuple[str, ...]] = ("ut-zappos", "ut-zap50k", "ut_zappos")
    published: ClassVar[PairCounts] = PairCounts(16, 12, 83, (15, 15), (18, 18), images=(22_998, 3_214, 2_914))
    card: ClassVar[Card] = Card(
        name="ut_zappos",
        classes=116,
        images=29_126,
        template=TEMPLATE,
        lies=f"ut-zappos/ or ut-zap50k/: {LIES}",
        get=(
            "utils/download_data.sh and reorganize_utzap.py of https://github.com/ExplainableML/czsl fetch and sort "
            "images and split: they go into ut-zappos/."
        ),
    )
