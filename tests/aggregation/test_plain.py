import numpy as np
import pytest

from fedsilo.aggregation.plain import Plain
from fedsilo.core import ClientUpdate


def update(client: int, value: float, weight: int) -> ClientUpdate:
    return ClientUpdate(client, {"context": np.full((2, 2), value, dtype=np.float32)}, weight, 0.0, 0.0)


@pytest.mark.parametrize(
    ("aggregation", "uniform", "expected"),
    [(Plain(), False, 2.5), (Plain(), True, 2.0), (Plain("uniform"), False, 2.0)],
)
def test_the_mean_is_by_examples_or_alike(aggregation: Plain, uniform: bool, expected: float) -> None:
    mean = aggregation.combine([update(0, 1.0, 10), update(1, 3.0, 30)], uniform)
    np.testing.assert_array_equal(mean["context"].numpy(), np.full((2, 2), expected, dtype=np.float32))


def test_a_thousand_clients_are_summed_in_fp64() -> None:
    updates = [update(n, 0.1, 1) for n in range(1000)]
    assert float(Plain().combine(updates, False)["context"][0, 0].float()) == np.float32(0.1)
