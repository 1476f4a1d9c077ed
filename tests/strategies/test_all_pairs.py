"""Every learner under every strategy: it runs, with finite numbers, or is refused in one line that says what to do."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import Learner, Strategy
from fedsilo.core.registry import find, names
from fedsilo.methods.composed import Composed


def ways(learner: Any, strategy: Any) -> list[Composed]:
    """The combination as it is, and with every batch's gradient sent."""
    return [Composed(learner, strategy(synchronise=way)) for way in ("round", "batch")]


@pytest.mark.parametrize("name", names(Learner))
def test_a_learner_under_every_strategy_trains_or_is_refused(world: Any, tmp_path: Path, name: str) -> None:
    here, trained = world(clients=2, rounds=2, batch_size=32), 0
    learner: Any = find(Learner, name)
    small = {"context_length": 2, "rank": 1, "iterations": 5, "adapters": False, "prototypes": "visual"}
    keys = {key: value for key, value in small.items() if key in learner.__dataclass_fields__}
    for strategy in names(Strategy):
        usual, other = ways(learner(**keys), find(Strategy, strategy))
        refused = [method.problems() for method in (usual, other)]
        for lines in refused:
            assert len(lines) <= 1, strategy
            assert all(line.count(": ") and ". " in line for line in lines), lines
        method = other if refused[0] else usual
        if method.problems():
            continue
        outcome = here.federate(method, tmp_path / strategy)
        assert all((record["loss"] is not None) == method.trains for record in outcome.records), strategy
        trained += 1
    assert trained
