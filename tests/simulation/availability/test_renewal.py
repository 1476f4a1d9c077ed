"""Clients that come and go."""

import numpy as np
import pytest

from fedsilo.simulation.availability.renewal import Renewal


def test_a_client_that_comes_and_goes_is_there_for_its_share_of_the_time() -> None:
    model = Renewal(mean_online_s=20, mean_offline_s=10).make_model(30, 0)
    moments = np.arange(0, 2000, 7.0)
    there = [model.window(client, 0, now)[0] == now for client in range(30) for now in moments]
    assert np.mean(there) == pytest.approx(2 / 3, abs=0.03)
    stays, now = [], 0.0
    for _ in range(3000):
        begins, until = model.window(0, 0, now)
        assert now <= begins < until
        stays.append(until - begins)
        now = until
    assert np.mean(stays) == pytest.approx(20, rel=0.06)
