import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.aggregation.secagg import shamir
from fedsilo.core.errors import NotEnoughShares, ProtocolViolation


def test_the_prime_is_the_next_one_above_two_to_the_256() -> None:
    def probably_prime(number: int) -> bool:
        odd, twos = number - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
            value = pow(base, odd, number)
            if value in (1, number - 1):
                continue
            if all((value := value * value % number) != number - 1 for _ in range(twos - 1)):
                return False
        return True

    assert [step for step in range(1, 298) if probably_prime(2**256 + step)] == [297]
    assert shamir.PRIME == 2**256 + 297


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 12), st.data())
def test_any_threshold_of_shares_opens_the_secret(secret: bytes, threshold: int, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.integers(1, 2**32 - 1), min_size=threshold, max_size=20, unique=True))
    shares = shamir.split(secret, threshold, points)
    assert set(shares) == set(points)
    assert {len(share) for share in shares.values()} == {33}
    chosen = data.draw(st.permutations(points))
    for size in (threshold, len(points)):
        assert shamir.combine({point: shares[point] for point in chosen[:size]}, threshold) == secret


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, b"\x00" * 31 + b"\x01"])
def test_extreme_secrets(secret: bytes) -> None:
    shares = shamir.split(secret, 3, range(1, 6))
    assert shamir.combine(shares, 3) == secret


def test_too_few_shares_are_refused() -> None:
    shares = shamir.split(bytes(32), 3, (1, 2, 3))
    with pytest.raises(NotEnoughShares, match="2 shares cannot open a secret that takes 3"):
        shamir.combine({point: shares[point] for point in (1, 3)}, 3)


@pytest.mark.parametrize(("prime", "threshold", "points"), [(5, 2, (1, 2, 4)), (7, 3, (1, 2, 3, 6)), (5, 3, (1, 2, 3))])
def test_fewer_shares_are_independent_of_the_secret(prime: int, threshold: int, points: tuple[int, ...]) -> None:
    """All polynomials over a tiny prime: any t - 1 shares take each value equally often, whatever the secret."""
    for subset in itertools.combinations(range(len(points)), threshold - 1):
        counts = []
        for secret in range(prime):
            seen: Counter[tuple[int, ...]] = Counter()
            for coefficients in itertools.product(range(prime), repeat=threshold - 1):
                values = _shares(secret, coefficients, threshold, points, prime)
                seen[tuple(values[points[place]] for place in subset)] += 1
            counts.append(seen)
        assert all(seen == counts[0] for seen in counts)
        assert set(counts[0].values()) == {1}
        assert len(counts[0]) == prime ** (threshold - 1)


def _shares(
    secret: int, coefficients: tuple[int, ...], threshold: int, points: tuple[int, ...], prime: int
) -> dict[int, int]:
    """Shares under given coefficients, through the same code: they are fed to it as what the random source draws."""
    spare = 8 - prime.bit_length()
    drawn = iter(coefficients)
    return shamir.share_out(secret, threshold, points, prime, lambda size: bytes([next(drawn) << spare]))


def test_a_threshold_of_tiny_shares_opens_the_secret() -> None:
    for secret, coefficients in itertools.product(range(5), itertools.product(range(5), repeat=2)):
        values = _shares(secret, coefficients, 3, (1, 2, 4), 5)
        weights = shamir.lagrange_weights((1, 2, 4), 5)
        assert sum(w * values[p] for w, p in zip(weights, (1, 2, 4), strict=True)) % 5 == secret


def test_coefficients_are_uniform() -> None:
    draw = random.Random(0).randbytes
    seen = Counter(shamir.draw_below(5, draw) for _ in range(50_000))
    assert set(seen) == set(range(5))
    assert max(abs(count - 10_000) for count in seen.values()) < 400  # 4.5 deviations


def test_coefficients_are_drawn_again_where_they_do_not_fit() -> None:
    drawn = iter([b"\xe0", b"\xa0", b"\x80"])  # 7, 5, then 4 of what is below 5
    assert shamir.draw_below(5, lambda size: next(drawn)) == 4


def test_shares_that_do_not_belong_together_are_refused_or_open_something_else() -> None:
    draw = random.Random(0).randbytes
    shares, other = (shamir.split(bytes(32), 2, (1, 2), draw) for _ in range(2))
    mixed = {1: shares[1], 2: other[2]}
    assert shamir.combine(mixed, 2) != bytes(32)
    beyond = (2**256).to_bytes(33, "big")
    with pytest.raises(ProtocolViolation, match="do not belong together"):
        shamir.combine({1: beyond, 2: beyond}, 2)


@pytest.mark.parametrize(
    ("secret", "threshold", "points"),
    [
        (bytes(31), 2, (1, 2)),
        (bytes(32), 3, (1, 2)),
        (bytes(32), 0, (1, 2)),
        (bytes(32), 2, (0, 1)),
        (bytes(32), 2, (1, 1, 2)),
        (bytes(32), 1, (shamir.PRIME,)),
    ],
)
def test_what_cannot_be_split_is_refused(secret: bytes, threshold: int, points: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        shamir.split(secret, threshold, points)
