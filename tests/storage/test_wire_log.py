"""What crosses is on record: lines worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from fedsilo.core import ClientTask, ClientUpdate
from fedsilo.storage.wire_log import count_bytes, make_exchange_lines

SHAPES = {4: (2, 3), 5: (7,), 9: (2, 3)}
"""Shape of the tensor that each client receives and sends: clients 4 and 9 share a line."""


def arrays(client: int) -> dict[str, Any]:
    return {"context": np.zeros(SHAPES[client], dtype=np.float32)}


def tasks(encoding: Any = None) -> dict[int, ClientTask]:
    return {client: ClientTask(2, 1, arrays(client), encoding) for client in SHAPES}


def updates(seconds: float) -> list[ClientUpdate]:
    return [ClientUpdate(client, arrays(client), 8, 0.5, seconds) for client in SHAPES]


@pytest.mark.parametrize(
    ("seconds", "encoding", "scalars"),
    [(0.25, None, ["weight", "loss", "seconds"]), (math.nan, None, ["weight", "loss"]), (0.25, "whole numbers", [])],
    ids=["in the clear", "no times", "encoded"],
)
def test_clients_that_sent_the_same_shapes_share_a_line(seconds: float, encoding: Any, scalars: list[str]) -> None:
    lines = make_exchange_lines(tasks(encoding), updates(seconds))
    when = {"round": 2, "stage": "train", "exchange": 1}
    same, other = {"context": [[2, 3], "float32"]}, {"context": [[7], "float32"]}
    count = 8 * len(scalars)
    down, up = {**when, "direction": "down", "scalars": []}, {**when, "direction": "up", "scalars": scalars}
    found = [{**line, "scalars": list(line["scalars"])} for line in lines]  # type: ignore[call-overload]
    assert found == [
        {**down, "clients": [4, 9], "tensors": same, "bytes_per_client": 24},
        {**down, "clients": [5], "tensors": other, "bytes_per_client": 28},
        {**up, "clients": [4, 9], "tensors": same, "bytes_per_client": 24 + count},
        {**up, "clients": [5], "tensors": other, "bytes_per_client": 28 + count},
    ]
    assert count_bytes(lines, "up") == 3 * count + 76
