import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedsilo.core.seeds import (
    KeyedGenerator,
    derive,
    derive_key,
    draw_from,
    keyed_generator,
    numpy_generator,
    system_generator,
    torch_generator,
)
from fedsilo.privacy.clipping_and_noise import add_gaussian_noise


def test_a_derived_seed_is_a_fixed_number() -> None:
    assert derive(0, "batches", round=3, client=7) == derive(0, "batches", round=3, client=7)
    assert derive(1, "context") == 144280962724391091


def test_seed_purpose_round_client_and_step_all_matter() -> None:
    seeds = {
        derive(0, "a"),
        derive(1, "a"),
        derive(0, "b"),
        derive(0, "a", round=1),
        derive(0, "a", client=1),
        derive(0, "a", step=1),
        derive(0, "a", round=11),
        derive(0, "a", round=1, client=1),
    }
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_torch_s_own_draws_follow_a_seed_inside_a_block_and_go_on_after_it() -> None:
    before = torch.get_rng_state()
    with draw_from(5):
        drawn = torch.rand(3)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_do_not_depend_on_the_process() -> None:
    code = "from fedsilo.core.seeds import *; print(derive(5,'x',round=2), numpy_generator(5,'x').integers(1<<40))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1234")
    }
    assert outputs == {f"{derive(5, 'x', round=2)} {numpy_generator(5, 'x').integers(1 << 40)}\n"}


def test_torch_generators_repeat_and_leave_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    first, again = torch.randn(3, generator=torch_generator(3, "x")), torch.randn(3, generator=torch_generator(3, "x"))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())


NUMBERS = 1_000_000


def test_the_bits_are_those_of_chacha20() -> None:
    """RFC 8439, appendix A.1, test vector 1: the first eight bytes under a key of zeros."""
    word = int.from_bytes(bytes.fromhex("76b8e0ada0f13d90"), "little")
    assert float(KeyedGenerator(bytes(32)).uniform(1)) == (word >> 11) * 2.0**-53


@pytest.mark.parametrize("byte", [0, 3, 4, 7, 8, 15, 16, 31])
def test_keys_that_differ_anywhere_give_different_streams(byte: int) -> None:
    """A seed of 32 or 64 bits, whichever it took of the key, would give equal ones for some of these."""
    other = bytearray(32)
    other[byte] = 128
    first, second = KeyedGenerator(bytes(32)), KeyedGenerator(bytes(other))
    assert not torch.equal(first.uniform(4), second.uniform(4))
    assert not torch.allclose(first.normal((4,)), second.normal((4,)))


def test_a_purpose_repeats_its_stream_and_the_operating_system_never_does() -> None:
    assert torch.equal(keyed_generator(3, "noise").normal((5,)), keyed_generator(3, "noise").normal((5,)))
    others = [keyed_generator(3, "noise", **{at: 1}) for at in ("round", "client", "step")]
    keys = {keyed_generator(3, "noise").key, *(one.key for one in others)}
    assert len(keys) == 4
    assert system_generator().key != system_generator().key
    assert len(system_generator().key) == 32


def test_all_bytes_of_a_key_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 4 bytes of 32 there are 2^32 streams, which can be tried, and two of 100,000 are likely to be equal."""
    keys = [keyed_generator(3, "noise", step=step).key for step in range(64)]
    assert keys == [derive_key(3, "noise", step=step) for step in range(64)]
    assert all(len({key[byte] for key in keys}) > 32 for byte in range(32))
    monkeypatch.setattr("os.urandom", lambda count: bytes(range(1, count + 1)))
    assert system_generator().key == bytes(range(1, 33))


def test_gaussian_numbers_have_the_moments_and_the_tail_of_the_distribution() -> None:
    numbers = keyed_generator(0, "moments").normal((NUMBERS,))
    error = 1 / math.sqrt(NUMBERS)
    assert abs(float(numbers.mean())) < 4 * error
    assert abs(float(numbers.square().mean()) - 1) < 4 * math.sqrt(2) * error
    assert abs(float(numbers.pow(4).mean()) - 3) < 4 * math.sqrt(96) * error
    for deviations in (1.0, 2.0, 3.0, 4.0):
        expected = NUMBERS * math.erfc(deviations / math.sqrt(2))
        assert abs(int((numbers.abs() > deviations).sum()) - expected) < 4 * math.sqrt(expected)
    assert abs(float((numbers[:-1] * numbers[1:]).mean())) < 4 * error
    assert abs(float((numbers[::2] * numbers[1::2]).mean())) < 4 * math.sqrt(2) * error


class Farthest(KeyedGenerator):
    """Draws the uniform number that gives the largest Gaussian one, at an angle of 0."""

    def _uniform(self, count: int) -> NDArray[np.float64]:
        assert super()._uniform(1000).max() < 1
        return np.tile([1 - 2.0**-53, 0.0], count // 2)


def test_the_largest_number_is_beyond_eight_deviations() -> None:
    """float32 ends at 5.77, which a true Gaussian number exceeds with a probability of 8e-9."""
    (largest,) = Farthest(bytes(32)).normal((1,))
    assert float(largest) == pytest.approx(math.sqrt(2 * 53 * math.log(2)))
    assert math.erfc(float(largest) / math.sqrt(2)) < 2e-17


def test_numbers_have_the_bits_of_float64() -> None:
    for numbers in (keyed_generator(0, "bits").uniform(1000), keyed_generator(0, "bits").normal((10, 100))):
        assert numbers.dtype == torch.float64
        assert int((numbers.float().double() == numbers).sum()) < 10
    noisy = add_gaussian_noise({"a": torch.full((1000,), 1e3)}, 1e-3, keyed_generator(0, "bits"))["a"]
    expected = 1e3 + 1e-3 * keyed_generator(0, "bits").normal((1000,))
    assert torch.equal(noisy, expected.float()), "one rounding, of the sum"
    assert (
        add_gaussian_noise({"a": torch.zeros(3, dtype=torch.float64)}, 1.0, keyed_generator(0, "x"))["a"].dtype
        == torch.float64
    )


def test_a_stream_goes_on_and_shapes_may_be_odd_or_empty() -> None:
    generator = keyed_generator(0, "shapes")
    drawn = [generator.normal(shape) for shape in ((3,), (3,), (5, 7), (0, 4), ())]
    assert [tuple(one.shape) for one in drawn] == [(3,), (3,), (5, 7), (0, 4), ()]
    assert not torch.equal(drawn[0], drawn[1])
