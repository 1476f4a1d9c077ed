import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.aggregation.secagg.modular_vectors import MOST, RingCodec, centre, wrap
from fedsilo.core.errors import ScenarioError

codecs = st.builds(
    RingCodec,
    st.integers(1, 10_000),
    st.floats(1e-6, 1e5),
    st.one_of(st.just(0.0), st.floats(1e-6, 100.0)),
).filter(lambda codec: codec.scale * codec.bound >= 1)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 10_000), st.floats(1e-6, 1e5), st.floats(0, 1e5))
def test_a_sum_cannot_wrap(clients: int, bound: float, deviation: float) -> None:
    try:
        codec = RingCodec(clients, bound, deviation)
    except ScenarioError:
        return
    room = lambda s: clients * (Fraction(bound) * s + 1) + 10 * s * Fraction(deviation)  # noqa: E731
    assert room(Fraction(codec.scale)) <= MOST < room(Fraction(2 * codec.scale)) * Fraction(1001, 1000)
    ends = codec.encode([bound, -bound]).view(np.int32).astype(np.int64)
    assert clients * int(np.max(np.abs(ends))) <= MOST


@pytest.mark.parametrize("clients", [1, 3, 50])
@pytest.mark.parametrize("deviation", [0.0, 30.0])
def test_decoded_sum_is_off_by_rounding_only(clients: int, deviation: float) -> None:
    codec = RingCodec(clients, 2.5, deviation)
    vectors = np.random.default_rng(clients).uniform(-2.5, 2.5, (clients, 1000))
    vectors[:, 0], vectors[:, 1] = 2.5, -2.5
    total = np.zeros(1000, dtype=np.uint32)
    for vector in vectors:
        total += codec.encode(vector)
    # The sum in floating point is itself off by a few 1e-14.
    assert np.max(np.abs(codec.decode(total) - vectors.sum(axis=0))) <= clients / (2 * codec.scale) + 1e-12


def test_single_vectors_are_off_by_half_a_step() -> None:
    codec = RingCodec(3, 1.0)
    values = np.random.default_rng(0).uniform(-1, 1, 10_000)
    assert np.max(np.abs(codec.decode(codec.encode(values)) - values)) <= 0.5 / codec.scale
    assert codec.encode(values.astype(np.float32)).dtype == np.uint32


def test_the_scale_is_a_power_of_two() -> None:
    assert RingCodec(10, 1.0).scale == 2**27
    assert RingCodec(10, 10.0, 3393 * 10.0).scale == 2**12  # the design's smallest epsilon: s C is 40960


@pytest.mark.parametrize("value", [1.0000001, -1.1, math.inf, -math.inf, math.nan])
def test_coordinates_beyond_the_bound_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="beyond the bound 1"):
        RingCodec(3, 1.0).encode([0.0, value])


def test_coordinates_are_clamped_when_asked() -> None:
    codec = RingCodec(3, 1.0)
    np.testing.assert_array_equal(codec.decode(codec.encode([-9.0, 0.25, math.inf], clamp=True)), [-1.0, 0.25, 1.0])
    with pytest.raises(ValueError, match="nan"):
        codec.encode([math.nan], clamp=True)


def test_encoding_leaves_the_vector_alone() -> None:
    vector = np.array([0.5, 7.0])
    RingCodec(3, 1.0).encode(vector, clamp=True)
    np.testing.assert_array_equal(vector, [0.5, 7.0])


@pytest.mark.parametrize(
    ("clients", "bound", "deviation"),
    [
        (0, 1.0, 0.0),
        (2**31, 1.0, 0.0),
        (3, 0.0, 0.0),
        (3, -1.0, 0.0),
        (3, math.inf, 0.0),
        (3, math.nan, 0.0),
        (3, 1.0, -1.0),
        (3, 1.0, math.inf),
        (3, 1.0, 1e9),  # noise of that deviation leaves less than one step
        (2**30, 3.0, 0.0),
    ],
)
def test_what_cannot_be_encoded_is_refused_at_construction(clients: int, bound: float, deviation: float) -> None:
    with pytest.raises(ScenarioError, match="secure sum: "):
        RingCodec(clients, bound, deviation)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(codecs, st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_neighbours_are_never_farther_apart_than_the_sensitivity(codec: RingCodec, dim: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    norm = codec.bound
    vector = draw.uniform(-codec.bound, codec.bound, dim)
    direction = draw.standard_normal(dim)
    other = np.clip(vector + direction * norm / np.linalg.norm(direction), -codec.bound, codec.bound)
    _assert_within(codec, vector, other, norm)


@pytest.mark.parametrize("dim", [1, 64, 2000])
def test_sensitivity_holds_where_rounding_is_worst(dim: int) -> None:
    """Every coordinate just below a half step against just above the next one: it moves by a whole step more."""
    codec = RingCodec(10, 1.0, 1000.0)
    step, little = 1 / codec.scale, 1e-9
    low = np.full(dim, (0.5 - little) * step)
    high = low + (1 + 2 * little) * step * np.arange(dim).astype(bool)
    _assert_within(codec, low, high, float(np.linalg.norm(high - low)))
    moved = codec.encode(high).astype(np.int64) - codec.encode(low).astype(np.int64)
    assert dim == 1 or np.linalg.norm(moved) > 1.9 * codec.scale * np.linalg.norm(high - low)


def _assert_within(codec: RingCodec, vector: np.ndarray, other: np.ndarray, norm: float) -> None:
    apart = centre(codec.encode(vector)).astype(np.int64) - centre(codec.encode(other))
    bound = codec.scale * norm + math.sqrt(vector.size)
    assert np.linalg.norm(apart) <= bound
    if math.sqrt(vector.size) <= 0.02 * codec.scale * norm:
        assert codec.sensitivity(norm, vector.size) == bound
    else:
        with pytest.raises(ScenarioError, match="rounding"):
            codec.sensitivity(norm, vector.size)


def test_sensitivity_of_the_design() -> None:
    codec = RingCodec(10, 10.0, 3393 * 10.0)
    assert codec.sensitivity(10.0, 8192) == 40960 + math.sqrt(8192)


@pytest.mark.parametrize("clients", [1, 3, 7, 100])
def test_counts_are_summed_exactly(clients: int) -> None:
    codec = RingCodec(clients, 1.0)
    most = codec.most_count
    assert clients * most < 2**32 <= clients * (most + 1) + clients
    total = np.zeros(1, dtype=np.uint32)
    for _ in range(clients):
        total += codec.encode_count(most)
    assert codec.decode_count(total[0]) == clients * most
    for wrong in (-1, most + 1):
        with pytest.raises(ValueError, match=f"must be in \\[0, {most}\\]"):
            codec.encode_count(wrong)


def test_whole_numbers_wrap_and_come_back() -> None:
    values = np.array([0, 1, -1, 2**31 - 1, -(2**31)], dtype=np.int64)
    np.testing.assert_array_equal(centre(wrap(values)), values)
    np.testing.assert_array_equal(wrap(values + 2**32), wrap(values))
