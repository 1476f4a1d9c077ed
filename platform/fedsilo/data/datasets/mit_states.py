"""MIT-States: 53,753 photographs of 245 objects in 115 states, in 1,962 pairs.

    <root>/mit-states/   images/<attribute>_<object>/*.jpg, compositional-split-natural/*_pairs.txt,
                         metadata_compositional-split-natural.t7 or metadata.csv

Sources: Isola, Lim, Adelson, "Discovering states and transformations in image collections", CVPR 2015; the split is
that of Purushwalkam et al., ICCV 2019, arXiv:1905.05908. http://web.mit.edu/phillipi/Public/states_and_transformations/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.compositions.composition_sets import LIES, TEMPLATE, CompositionSet, PairCounts
from fedsilo.data.published.dataset_card import Card


@dataclass(frozen=True, slots=True)
class MitStates(CompositionSet):
    """MIT-States: 245 objects in 115 states, 1,262 seen pairs."""

    homes: ClassVar[tuple[str, ...]] = ("mit-states", "mit_states")
    published: ClassVar[PairCounts] = PairCounts(
        115, 245, 1262, (300, 300), (400, 400), images=(30_338, 10_420, 12_995)
    )
    card: ClassVar[Card] = Card(
        name="mit_states",
        classes=1962,
        images=53_753,
        template=TEMPLATE,
        lies=f"mit-states/: {LIES}",
        get=(
            "utils/download_data.sh of https://github.com/ExplainableML/czsl fetches images and split: they go into "
            "mit-states/."
        ),
    )
