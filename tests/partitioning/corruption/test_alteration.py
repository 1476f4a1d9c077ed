import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems import Emblems
from fedsilo.partitioning.corruption import alteration as module
from fedsilo.partitioning.corruption.alteration import Alteration, alter_examples
from fedsilo.partitioning.corruption.kinds import DETERMINISTIC, KINDS, RANDOM_PER_IMAGE, RANDOM_PER_SEED

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def emblems() -> Examples:
    return Emblems(classes=4, train_per_class_and_domain=1, test_per_class_and_domain=1).load(0).test


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pixels_at_every_call_and_after_pickling(kind):
    alteration = Alteration(kind, 3, 5)
    result = alteration(IMAGE, "ab").tobytes()
    assert result != IMAGE.tobytes()
    assert alteration(IMAGE.copy(), "ab").tobytes() == result
    assert pickle.loads(pickle.dumps(alteration))(IMAGE, "ab").tobytes() == result


def test_the_same_pixels_in_every_process():
    code = (
        "import hashlib, numpy as np\n"
        "from PIL import Image\n"
        "from fedsilo.partitioning.corruption.alteration import Alteration\n"
        "from fedsilo.partitioning.corruption.kinds import KINDS\n"
        "image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))\n"
        "print(*[hashlib.sha256(Alteration(kind, 2, 5)(image, 'ab').tobytes()).hexdigest() for kind in KINDS])\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1234")
    ]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split())) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_depends_on_seed_and_image_as_it_should(kind):
    base, seed, image = (
        Alteration(kind, 3, number)(IMAGE, digest).tobytes() for number, digest in [(0, "a"), (6, "a"), (0, "b")]
    )
    assert (image != base) == (kind in RANDOM_PER_IMAGE)
    if kind != "rotation":
        assert (seed != base) == (kind not in DETERMINISTIC)


def test_clients_turn_one_way_or_the_other():
    assert len({Alteration("rotation", 1, seed)(IMAGE, "").tobytes() for seed in range(8)}) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_severity_0_is_the_image_itself(kind):
    nothing = Alteration(kind, 0, 3)
    assert nothing(IMAGE, "a") is IMAGE
    assert nothing.digest("a") == "a"


@pytest.mark.parametrize("severity", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_a_tag_says_what_is_done(kind, severity):
    alteration = Alteration(kind, severity, 7)
    again = Alteration.parse(alteration.tag)
    assert again.tag == alteration.tag
    assert again.digest("a") == alteration.digest("a")
    assert again(IMAGE, "a").tobytes() == alteration(IMAGE, "a").tobytes()
    assert ("seed 7" in alteration.tag) == (kind in {**RANDOM_PER_SEED, **RANDOM_PER_IMAGE} and severity > 0)


def test_tags_are_readable():
    assert Alteration("blur", 3, 7).tag == "blur 3"
    assert Alteration("noise", 2, 7).tag == "noise 2 seed 7"
    assert Alteration.parse("colour_cast 4 seed 12") == Alteration("colour_cast", 4, 12)


@pytest.mark.parametrize(
    "tag", ["", "blur", "blur 3 ", "blur three", "blur 3 seed", "blur -1", "noise 1 seed -2", "blur ³"]
)
def test_what_is_no_tag_is_refused_in_one_line(tag):
    with pytest.raises(DataError, match=r"^corruption: '.*' is no tag\. Write for example 'blur 3'.*$"):
        Alteration.parse(tag)


@pytest.mark.parametrize(
    ("alteration", "said"),
    [
        (Alteration("blurr", 1), "kind: no corruption 'blurr'. Did you mean 'blur'? Available: noise,"),
        (Alteration("gaussian_noise", 1), "Did you mean 'noise'?"),
        (Alteration("jpeg_compression", 1), "Did you mean 'jpeg'?"),
        (Alteration("Pixelate", 1), "Did you mean 'pixelation'?"),
        (Alteration("xyz", 1), "kind: no corruption 'xyz'. Available: noise,"),
        (Alteration("blur", 6), "severity: must be a whole number from 0 to 5, got 6."),
        (Alteration("blur", -1), "severity: must be a whole number from 0 to 5, got -1."),
        (Alteration("blur", 2.5), "severity: must be a whole number from 0 to 5, got 2.5."),
        (Alteration("blur", True), "severity: must be a whole number from 0 to 5, got True."),
        (Alteration("noise", 1, -3), "seed: must be a whole number >= 0, got -3."),
    ],
)
def test_impossible_values_are_named_in_one_line(alteration, said, emblems):
    (line,) = alteration.problems()
    assert said in line
    assert "\n" not in line
    for use in (lambda: alteration(IMAGE, "a"), lambda: alter_examples(emblems, [(0, None), (1, alteration)])):
        with pytest.raises(DataError, match=r"^corruption: "):
            use()


def test_possible_values_have_no_problems():
    assert not [line for kind in KINDS for severity in range(6) for line in Alteration(kind, severity, 3).problems()]


def test_rows_come_in_their_order_with_labels_domains_and_pixels(emblems):
    rows = [
        (5, None),
        (2, Alteration("noise", 2, 1)),
        (5, Alteration("blur", 3)),
        (2, Alteration("grey", 0)),
        (2, None),
    ]
    result = alter_examples(emblems, rows)
    positions = [5, 2, 5, 2, 2]
    assert result.labels.tolist() == emblems.labels[positions].tolist()
    assert result.domains.tolist() == emblems.domains[positions].tolist()
    for number, (position, alteration) in enumerate(rows):
        original = emblems.fetch(position)
        expected = alteration(original, emblems.digests[position]) if alteration else original
        assert result.fetch(number).tobytes() == expected.tobytes()
    assert pickle.loads(pickle.dumps(result.fetch))(1).tobytes() == result.fetch(1).tobytes()
    assert result.take(np.array([2, 0])).fetch(0).tobytes() == result.fetch(2).tobytes()


def test_digests_stay_where_nothing_is_done_and_tell_everything_else_apart(emblems, monkeypatch):
    blurred, noisy = Alteration("blur", 3), Alteration("noise", 3, 1)
    others = [blurred, replace(blurred, severity=2), noisy, replace(noisy, seed=2), Alteration("grey", 3)]
    rows = [(0, None), (1, Alteration("blur", 0)), *[(0, each) for each in others], (1, blurred)]
    digests = alter_examples(emblems, rows).digests
    assert digests[:2] == emblems.digests[:2]
    assert len({*digests, *emblems.digests}) == len(emblems) + len(others) + 1
    assert {len(digest) for digest in digests[2:]} == {32}
    # A seed of which nothing is drawn is no difference.
    assert replace(blurred, seed=9).digest("a") == blurred.digest("a")
    monkeypatch.setattr(module, "CORRUPTION_VERSION", 2)
    assert alter_examples(emblems, rows).digests[2] != digests[2]


def test_no_rows_give_no_examples(emblems):
    result = alter_examples(emblems, [])
    assert len(result) == 0
    assert result.digests == ()


def test_nothing_is_fetched_before_it_is_asked_for(emblems):
    def refuse(position: int) -> Image.Image:
        raise AssertionError(position)

    assert len(alter_examples(replace(emblems, fetch=refuse), [(0, Alteration("fog", 5))])) == 1


def test_many_rows_pickle_as_arrays(emblems):
    clients = [Alteration("noise", 1 + seed % 5, seed) for seed in range(100)]
    rows = [(number % len(emblems), clients[number % 100]) for number in range(20_000)]
    fetch = alter_examples(replace(emblems, fetch=int), rows).fetch
    assert len(fetch.alterations) == 100
    assert len(pickle.dumps(fetch)) < 20_000 * (8 + 8 + 32) + 20_000
