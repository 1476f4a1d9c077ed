"""One client looks at a published sum and takes its own part of it away, its own share of the noise included."""

from collections.abc import Mapping
from typing import Any

import pytest

from fedsilo.aggregation.secagg.update_vectors import ModularEncoding
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange
from fedsilo.core.privacy_events import DiscretePrivacyEvent
from fedsilo.core.state import to_tensors
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.mechanisms.distributed import Distributed

METHOD, ROUNDS = PromptFL(context_length=3), 3


class Heard(Exception):
    """What clients are asked to write."""


class Listener:
    """A backend that stops where clients would begin."""

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        raise Heard(next(iter(tasks.values())).encoding)


def asked(here: Any, clients: int) -> tuple[ModularEncoding, int]:
    """How clients are asked to write their updates in a real exchange, and of how many numbers these are."""
    plan = here.plan(METHOD)
    known = to_tensors({name: plan.initial[name] for name in METHOD.uploads})
    tasks = {client: ClientTask(0, 0, plan.initial) for client in range(clients)}
    exchange = Exchange(tasks, Listener(), known, True, 99, plan.mechanism, lambda charged: None)  # type: ignore[arg-type]
    with pytest.raises(Heard) as caught:
        plan.aggregation.gather(exchange)
    return caught.value.args[0], sum(tensor.numel() for tensor in known.values())


CASES = [
    Secure(),
    Secure(threshold=6),
    Secure(threshold=6, colluding=1),
    Secure(colluding=2),
    Secure(threshold=3, graph="neighbours"),
    Secure(threshold=8, graph="neighbours"),
]


@pytest.mark.parametrize("secure", CASES, ids=str)
@pytest.mark.parametrize("clients", [3, 5, 10])
def test_epsilon_is_at_most_the_claimed_one_for_every_number_of_survivors(
    world: Any, secure: Secure, clients: int
) -> None:
    if secure.refusals(clients):
        assert clients < 10, "all are fine with ten clients"
        return
    here = world(clients=clients, rounds=ROUNDS, mechanism=Distributed(epsilon=8.0, clip_norm=0.5), aggregation=secure)
    encoding, dim = asked(here, clients)
    mechanism = here.fitted(METHOD)
    moved = encoding.values.sensitivity(mechanism.sensitivity, dim)
    known = max(secure.colluding, 1)
    threshold = secure.parameters(tuple(range(clients)), 1).threshold
    spent = [
        epsilon(
            (DiscretePrivacyEvent(encoding.share, survivors - known, dim, moved, 1.0, ROUNDS),),
            mechanism.delta,
            "zero_out",
        ).epsilon
        for survivors in range(threshold, clients + 1)
    ]
    assert max(spent) <= mechanism.planned <= 8.0
    assert spent[0] == pytest.approx(mechanism.planned, rel=0.01), "and no more noise than that takes"


@pytest.mark.parametrize(
    ("secure", "clients"),
    [
        (Secure(threshold=2), 3),  # one drop-out, and client 0 reads client 1's vector
        (Secure(threshold=2, graph="neighbours"), 60),
        (Secure(threshold=3, colluding=2), 4),
    ],
)
def test_a_sum_of_one_unknown_update_is_refused(secure: Secure, clients: int) -> None:
    (line, *_) = secure.refusals(clients)
    assert line.startswith("threshold: of a sum of ")
    assert f"Use at least {max(secure.colluding, 1) + 2}." in line


def test_all_of_three_clients_must_stay() -> None:
    assert Secure().parameters((0, 1, 2), 1).threshold == 3
    assert Secure().refusals(3) == []
