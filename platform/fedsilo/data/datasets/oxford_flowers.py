"""Oxford Flowers 102: 8,189 photographs of 102 kinds of flowers.

    <root>/oxford_flowers/  split_zhou_OxfordFlowers.json, jpg/*.jpg                     CoOp's layout
    <root>/flowers-102/     imagelabels.mat, setid.mat, jpg/*.jpg                        torchvision's layout

Classes are in the order of the published numbers. No names were published with the images: CoOp's come from a file
cat_to_name.json, torchvision's are the same except for "pink-yellow dahlia?"; the list below is torchvision's without
the question mark. CoOp drew its own split with 4,093 training and 2,463 test images. The published split has 1,020
images in each of train and val, which are used for training together, and 6,149 for testing.

Source: Nilsback, Zisserman, "Automated flower classification over a large number of classes", ICVGIP 2008.
https://www.robots.ox.ac.uk/~vgg/data/flowers/102/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, Row

URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
FOLDER = "flowers-102"
NAMES = (
    """
pink primrose; hard-leaved pocket orchid; canterbury bells; sweet pea; english marigold; tiger lily; moon
orchid; bird of paradise; monkshood; globe thistle; snapdragon; colt's foot; king protea; spear thistle; yellow
iris; globe-flower; purple coneflower; peruvian lily; balloon flower; giant white arum lily; fire lily;
pincushion flower; fritillary; red ginger; grape hyacinth; corn poppy; prince of wales feathers; stemless
gentian; artichoke; sweet william; carnation; garden phlox; love in the mist; mexican aster; alpine sea holly;
ruby-lipped cattleya; cape flower; great masterwort; siam tulip; lenten rose; barbeton daisy; daffodil; sword
lily; poinsettia; bolero deep blue; wallflower; marigold; buttercup; oxeye daisy; common dandelion; petunia;
wild pansy; primula; sunflower; pelargonium; bishop of llandaff; gaura; geranium; orange dahlia; pink-yellow
dahlia; cautleya spicata; japanese anemone; black-eyed susan; silverbush; californian poppy; osteospermum;
spring crocus; bearded iris; windflower; tree poppy; gazania; azalea; water lily; rose; thorn apple; morning
glory; passion flower; lotus; toad lily; anthurium; frangipani; clematis; hibiscus; columbine; desert-rose; tree
mallow; magnolia; cyclamen; watercress; canna lily; hippeastrum; bee balm; ball moss; foxglove; bougainvillea;
camellia; mallow; mexican petunia; bromelia; blanket flower; trumpet creeper; blackberry lily
""".replace("\n", " ")
    .strip()
    .split("; ")
)
"""Name of each class, in label order."""


@dataclass(frozen=True, slots=True)
class OxfordFlowers(CoopSet):
    """Oxford Flowers 102: 102 kinds of flowers, with CoOp's split or the published one."""

    card: ClassVar[Card] = Card(
        name="oxford_flowers",
        classes=102,
        images=8189,
        template="a photo of a {}, a type of flower.",
        lies="oxford_flowers/jpg, split_zhou_OxfordFlowers.json; or flowers-102/jpg, imagelabels.mat, setid.mat",
        get=f"102flowers.tgz, imagelabels.mat and setid.mat ({URL}), unpacked in {FOLDER}/.",
        archives=(
            Archive(f"{URL}102flowers.tgz", FOLDER, ("jpg",), "52808999861908f626f3c1f4e79d11fa"),
            Archive(f"{URL}imagelabels.mat", FOLDER, ("imagelabels.mat",), "e0620be6f572b9609742df49c70aed4d"),
            Archive(f"{URL}setid.mat", FOLDER, ("setid.mat",), "a5357ecc9cb78c4bef273ce3793fc85c"),
        ),
        size="0.3 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("oxford_flowers", FOLDER),
        images="jpg",
        split="split_zhou_OxfordFlowers.json",
        own=("imagelabels.mat", "setid.mat"),
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads setid.mat: trnid with valid, and tstid; imagelabels.mat has the class of each image.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        from scipy.io import loadmat

        labels = loadmat(home / "imagelabels.mat", squeeze_me=True)["labels"].tolist()
        numbers = loadmat(home / "setid.mat", squeeze_me=True)
        train, val, test = (
            tuple(_row(number, labels[number - 1] - 1) for number in numbers[split].tolist())
            for split in ("trnid", "valid", "tstid")
        )
        return Lists((*train, *val), test, "setid.mat")


def _row(number: int, label: int) -> Row:
    return Row(f"image_{number:05d}.jpg", label, NAMES[label])
