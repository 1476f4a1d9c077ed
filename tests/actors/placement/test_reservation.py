"""What is counted before anything is reserved; no Ray is started."""

from typing import Any

import pytest

from fedsilo.core.errors import ResourceError
from fedsilo_actors.placement import reservation
from fedsilo_actors.placement.reservation import count_gpus
from fedsilo_actors.placement.resources import Resources


@pytest.mark.parametrize(
    ("shares", "whole"),
    [
        ([], 0),
        ([0.0, 0.0], 0),
        ([0.25] * 8, 2),
        ([0.25] * 9, 3),
        ([0.6] * 3, 3),
        ([0.5, 0.3, 0.7, 0.5], 2),
        ([2.0, 1.0, 0.1], 4),
        ([1 / 3] * 3, 1),
    ],
)
def test_a_fraction_comes_from_one_gpu(shares: list[float], whole: int) -> None:
    assert count_gpus(shares) == whole


@pytest.mark.parametrize(
    ("demand", "there_is", "words"),
    [
        ({"gpus": 0.6}, {"GPU": 2.0}, r"3 x 0\.6 GPU = 1\.8, which takes 3 whole GPUs; here is 2"),
        ({"cpus": 2.0}, {"CPU": 5.0}, r"ask for 6 CPU, here is 5\. Lower actors\.cpus_per_client"),
        ({"memory": 512 << 20}, {"memory": 1.0 * (1 << 30)}, r"ask for 1536 MiB memory, here is 1024\."),
        ({"others": (("tpu", 1.0),)}, {"tpu": 2.0}, r"ask for 3 'tpu', here is 2\."),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_with_both_numbers(
    demand: dict[str, Any], there_is: dict[str, float], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservation, "PROCESS_BYTES", 0)
    asked = [Resources(**{"gpus": 0.0, "cpus": 0.0, **demand})] * 3
    with pytest.raises(ResourceError, match=words):
        reservation._check(asked, "client actors", there_is, "here is")
    reservation._check(asked, "client actors", {name: 2 * count for name, count in there_is.items()}, "here is")
