import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.fgvc_aircraft import FgvcAircraft
from fedsilo.data.published.labelled_images import Row

TRAIN = Row("0000001.jpg", 1, "Boeing 717")
VAL = Row("0000002.jpg", 0, "A300B4")
TEST = Row("0000003.jpg", 1, "Boeing 717")


@pytest.fixture
def home(tmp_path):
    (tmp_path / "variants.txt").write_text("A300B4\nBoeing 717\n\n")
    for split, line in (("train", "0000001 Boeing 717"), ("val", "0000002 A300B4"), ("test", "0000003 Boeing 717")):
        (tmp_path / f"images_variant_{split}.txt").write_text(f"{line}\n")
    return tmp_path


def test_coop_leaves_the_validation_list_out_and_torchvision_trains_on_it(home):
    coop, own = FgvcAircraft().read_coop_lists(home), FgvcAircraft().read_own_lists(home)
    assert (coop.train, coop.test, coop.unused) == ((TRAIN,), (TEST,), (VAL,))
    assert (own.train, own.test, own.unused) == ((TRAIN, VAL), (TEST,), ())


def test_a_variant_that_is_not_listed_is_one_line(home):
    (home / "images_variant_val.txt").write_text("0000002 Concorde\n")
    with pytest.raises(DataError, match=r"not a folder of FGVC-Aircraft: KeyError 'Concorde'\. Fetch it again\."):
        FgvcAircraft().read_coop_lists(home)
