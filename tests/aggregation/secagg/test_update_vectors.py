"""An update, its weight and its loss in one vector of whole numbers: sums of two clients, by hand."""

import math

import numpy as np
import pytest

from fedsilo.aggregation.secagg.update_vectors import LARGEST_LOSS, ModularEncoding
from fedsilo.core.errors import ClientError

SHAPES = {"b": (2,), "a": (1, 2)}
FIRST = {"b": np.array([1.0, -2.0]), "a": np.array([[0.5, 0.25]])}
SECOND = {"b": np.array([4.0, 1.0]), "a": np.array([[-1.0, 0.0]])}
KEY = bytes(32)


def test_a_decoded_sum_is_the_mean_by_examples_with_the_mean_loss() -> None:
    encoding = ModularEncoding(clients=2, bound=8.0, largest=40)
    total = encoding.encode(FIRST, 40, 2.0, KEY) + encoding.encode(SECOND, 20, 5.0, KEY)
    assert encoding.dim(SHAPES) == len(total) == 4 + 3
    mean, loss = encoding.decode(total, SHAPES)
    np.testing.assert_allclose(mean["b"], [(2 * 1 + 4) / 3, (2 * -2 + 1) / 3], atol=1e-7)
    np.testing.assert_allclose(mean["a"], [[(2 * 0.5 - 1) / 3, 2 * 0.25 / 3]], atol=1e-7)
    assert loss == pytest.approx((2 * 2.0 + 5.0) / 3, abs=1e-6)


def test_uniform_clients_count_alike_whatever_their_examples() -> None:
    encoding = ModularEncoding(clients=2, bound=8.0, largest=40, uniform=True)
    total = encoding.encode(FIRST, 40, 2.0, KEY) + encoding.encode(SECOND, 20, 5.0, KEY)
    mean, loss = encoding.decode(total, SHAPES)
    np.testing.assert_allclose(mean["b"], [2.5, -0.5], atol=1e-7)
    assert loss == pytest.approx(3.5, abs=1e-6)


def test_a_client_without_a_loss_is_in_the_mean_and_not_in_the_loss() -> None:
    encoding = ModularEncoding(clients=2, bound=8.0, uniform=True)
    total = encoding.encode(FIRST, 1, math.nan, KEY) + encoding.encode(SECOND, 1, 2 * LARGEST_LOSS, KEY)
    mean, loss = encoding.decode(total, SHAPES)
    np.testing.assert_allclose(mean["b"], [2.5, -0.5], atol=1e-7)
    assert loss == pytest.approx(LARGEST_LOSS, abs=1e-5)
    silent = ModularEncoding(clients=2, bound=8.0, tells_loss=False)
    vector = silent.encode(FIRST, 1, 2.0, KEY)
    assert len(vector) == 4 + 1
    assert math.isnan(silent.decode(vector, SHAPES)[1])


def test_a_coordinate_beyond_the_bound_is_cut_or_refused() -> None:
    cut = ModularEncoding(clients=1, bound=1.5, clamp=True, uniform=True)
    np.testing.assert_allclose(cut.decode(cut.encode(FIRST, 1, 0.0, KEY), SHAPES)[0]["b"], [1.0, -1.5], atol=1e-6)
    with pytest.raises(ClientError, match=r"aggregation.bound: .* changed by 2, the bound is 1.5"):
        ModularEncoding(clients=1, bound=1.5, uniform=True).encode(FIRST, 1, 0.0, KEY)


def test_noise_is_decided_by_the_key_and_leaves_weight_and_loss_alone() -> None:
    clean, noisy = (
        ModularEncoding(clients=1, bound=8.0, deviation=deviation, share=share)
        for deviation, share in ((1e-3, 0.0), (1e-3, 500.0))
    )
    vectors = [noisy.encode(FIRST, 1, 1.0, key) for key in (KEY, KEY, b"\x01" * 32)]
    noise = [(vector - clean.encode(FIRST, 1, 1.0, KEY)).view(np.int32) for vector in vectors]
    assert noise[0].tolist() == noise[1].tolist() != noise[2].tolist()
    assert all(part[4:].tolist() == [0, 0, 0] for part in noise)
    assert 0 < np.abs(noise[0][:4]).max() < 10 * 500


def test_encodings_that_differ_have_different_endings() -> None:
    one = ModularEncoding(clients=2, bound=8.0)
    others = [ModularEncoding(2, 4.0), ModularEncoding(3, 8.0), ModularEncoding(2, 8.0, largest=2)]
    assert one.ending == ModularEncoding(clients=2, bound=8.0).ending
    assert one.ending not in {other.ending for other in others}
