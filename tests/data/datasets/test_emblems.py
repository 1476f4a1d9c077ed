import pickle
import subprocess
import sys

import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems import Emblems
from fedsilo.data.emblems.words import CLASSES, DOMAINS

SMALL = Emblems(classes=4, train_per_class_and_domain=2, test_per_class_and_domain=1)


def test_every_class_occurs_equally_often_in_every_domain():
    data = Emblems().load(0)
    assert data.classes == CLASSES
    assert data.domains == DOMAINS
    for examples, each in ((data.train, 12), (data.test, 6)):
        counts = np.zeros((24, 6), dtype=int)
        np.add.at(counts, (examples.labels, examples.domains), 1)
        assert (counts == each).all()
        assert len(examples.digests) == len(examples)


def test_no_image_is_in_both_splits_or_twice():
    data = Emblems().load(0)
    digests = data.train.digests + data.test.digests
    assert len(set(digests)) == len(digests)


def test_images_are_rgb_and_repeat_after_pickling():
    train = SMALL.load(5).train
    copy = pickle.loads(pickle.dumps(train))
    for position in range(0, len(train), 7):
        image = train.fetch(position)
        assert image.mode == "RGB"
        assert image.size == (64, 64)
        assert image.tobytes() == train.fetch(position).tobytes() == copy.fetch(position).tobytes()


def test_another_process_draws_the_same_pixels():
    program = (
        "import hashlib; from fedsilo.data.datasets.emblems import Emblems\n"
        "data = Emblems(classes=4, train_per_class_and_domain=2, test_per_class_and_domain=1).load(5).train\n"
        "print(hashlib.sha256(b''.join(data.fetch(i).tobytes() for i in range(0, len(data), 5))).hexdigest())"
    )
    hashes = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env).stdout
        for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    }
    assert len(hashes) == 1


def test_another_seed_gives_other_images():
    assert not set(SMALL.load(0).train.digests) & set(SMALL.load(1).train.digests)


def test_equal_digests_mean_equal_pixels_and_others_differ():
    train = SMALL.load(0).train
    pixels = [train.fetch(i).tobytes() for i in range(len(train))]
    assert len(set(pixels)) == len(set(train.digests)) == len(train)


def test_chosen_domains_are_numbered_by_their_place_and_keep_their_images():
    chosen = Emblems(classes=4, domains=("neon", "photo"), train_per_class_and_domain=2).load(0)
    everything = Emblems(classes=4, train_per_class_and_domain=2).load(0)
    assert chosen.domains == ("neon", "photo")
    neon = np.array(chosen.train.digests)[chosen.train.domains == 0]
    assert list(neon) == list(np.array(everything.train.digests)[everything.train.domains == DOMAINS.index("neon")])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"classes": 1}, "classes: 1 classes cannot be drawn. Allowed: 2 to 24."),
        ({"classes": 25}, "classes: 25 classes"),
        ({"domains": ("photo", "oil")}, "domains: no domain 'oil'. Available: photo, "),
        ({"domains": ("photo", "photo")}, "domains: a name occurs twice"),
        ({"train_per_class_and_domain": 0}, "train_per_class_and_domain: must be at least 1, got 0."),
        ({"test_per_class_and_domain": -3}, "test_per_class_and_domain: must be at least 1, got -3."),
    ],
)
def test_impossible_fields_are_named_with_their_value(fields, said):
    data = Emblems(**fields)
    assert any(line.startswith(said) for line in data.problems())
    with pytest.raises(DataError, match="emblems: "):
        data.load(0)
