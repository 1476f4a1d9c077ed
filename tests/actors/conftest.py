"""Ray on a machine that has much else to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import ray._private.node as starting

SLOWER = 20
"""So much slower is the clock by which Ray gives up on a node that starts: after 10 minutes, not after 30 s."""


@pytest.fixture(scope="session", autouse=True)
def _patient_ray() -> Iterator[None]:
    """Ray has no setting for that limit, which a loaded machine exceeds."""
    clock = SimpleNamespace(**{**vars(time), "monotonic": lambda: time.monotonic() / SLOWER})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting, "time", clock)
        yield
