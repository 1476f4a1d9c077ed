"""How many encoders share the GPUs of a cluster; what torch and Ray find is pretended."""

from typing import Any

import pytest

from fedsilo.config.sections import Actors
from fedsilo_actors.encoder import plan_encoders


@pytest.mark.parametrize(
    ("encoders", "chunks", "device", "expected"),
    [
        (0, 100, "cuda", (2, 1.0)),
        (3, 100, "cuda", (3, 0.5)),
        (6, 100, "cuda", (6, 0.3333)),
        (6, 1, "cuda", (1, 1.0)),
        (0, 100, "cpu", (8, 0.0)),
        (5, 100, "cpu", (5, 0.0)),
    ],
)
def test_encoders_share_the_clusters_gpus_between_them(
    machine: Any, encoders: int, chunks: int, device: str, expected: tuple[int, float]
) -> None:
    machine(gpus=2, cuda=True)
    assert plan_encoders(Actors(encoders=encoders), chunks, device) == expected
