"""What the optimizer contradicts in the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator

from fedsilo.config.sections import Scenario
from fedsilo.core.registry import title_of
from fedsilo.core.training_settings import KEPT, SGD


def check_optimizer(scenario: Scenario) -> Iterator[str]:
    """Some strategies divide a client's change by what SGD makes of one gradient, from a round without momentum on."""
    method, optimizer = scenario.method, scenario.training.optimizer
    if method.parts is None or not method.parts[1].needs_sgd:
        return
    needs = f"method '{title_of(method)}' computes with the steps of SGD"
    if optimizer.name != SGD:
        yield f"training.optimizer.name: is '{optimizer.name}', but {needs}. Use 'sgd', or another strategy."
    elif optimizer.state == KEPT and optimizer.momentum:
        yield (
            f"training.optimizer.state: is '{KEPT}', but {needs} of one round, in which momentum of earlier rounds has "
            "no part. Use 'fresh', or a momentum of 0."
        )
