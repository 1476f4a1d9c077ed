"""Who adds which noise where, and what is refused."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange, Mechanism, PrivacyContext, Release
from fedsilo.core.errors import ClientError, RunError
from fedsilo.core.seeds import keyed_generator
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.privacy.mechanisms.rigorous import Rigorous

NOISE, CLIP, BATCH, CLIENTS = 2.0, 3.0, 8, 10
NUMBERS = 200_000
KEYS: dict[str, Any] = {"noise_multiplier": NOISE, "clip_norm": CLIP}
OF_CLIENT, OF_EXAMPLE = NOISE * CLIP, NOISE * CLIP / BATCH


def facts(gradients: bool = True) -> PrivacyContext:
    return PrivacyContext(10, CLIENTS, BATCH, personal=True, gradients=gradients, sizes=(40,) * CLIENTS)


def release(participants: int = 1, purpose: str = "noise", **where: int) -> Release:
    return Release({"a": torch.zeros(NUMBERS)}, participants, keyed_generator(7, purpose, **where))


@pytest.mark.parametrize(
    ("mechanism", "gradients", "own", "upload", "mean"),
    [
        (Central(unit="client", **KEYS), True, 0, 0, OF_CLIENT / CLIENTS),
        (Central(unit="client", **KEYS), False, 0, 0, OF_CLIENT / CLIENTS),
        (Central(unit="example", **KEYS), True, OF_EXAMPLE, 0, OF_EXAMPLE / CLIENTS),
        (Rigorous(**KEYS), True, OF_EXAMPLE, 0, OF_EXAMPLE / CLIENTS),
        (LocalNoise(unit="client", **KEYS), True, 0, OF_CLIENT, 0),
        (LocalNoise(unit="client", **KEYS), False, 0, OF_CLIENT, 0),
        (LocalNoise(unit="example", **KEYS), True, OF_EXAMPLE, OF_EXAMPLE, 0),
        (LocalNoise(unit="example", **KEYS), False, OF_EXAMPLE, 0, 0),
        (Distributed(unit="client", **KEYS), True, 0, 0, 0),
        (Distributed(unit="example", **KEYS), True, 1.02 * OF_EXAMPLE, 0, 0),
        (NoMechanism(), True, 0, 0, 0),
    ],
)
def test_noise_has_the_stated_deviation_at_each_of_its_places_and_is_nowhere_else(
    mechanism: Mechanism, gradients: bool, own: float, upload: float, mean: float
) -> None:
    fitted, nothing = mechanism.fit(facts(gradients)), {"a": torch.zeros(NUMBERS)}
    places = {
        "own": (fitted.protect_private(nothing, release()), own),
        "upload": (fitted.protect_client(nothing, release()), upload),
        "mean": (fitted.protect_mean(nothing, release(CLIENTS)), mean),
    }
    for place, (noisy, deviation) in places.items():
        assert float(noisy["a"].std()) == pytest.approx(deviation, rel=0.01), place
        assert abs(float(noisy["a"].mean())) <= 0.01 * deviation, place
        drawn = deviation * release().generator.normal((NUMBERS,))
        assert torch.allclose(noisy["a"].double(), drawn, rtol=1e-6, atol=0), "all of it under the key, in float64"


@pytest.mark.parametrize(("unit", "sensitivity"), [("client", CLIP), ("example", CLIP / BATCH)])
def test_shares_of_the_fewest_honest_clients_add_up_to_the_whole_noise(unit: str, sensitivity: float) -> None:
    """Five clients, one of whom may tell the coordinator its share: any three of the others must do."""
    dim, secure = 20_000, Secure(threshold=4, colluding=1)
    mechanism = Distributed(unit=unit, **KEYS).fit(facts())
    exchange = Exchange(
        tasks={client: ClientTask(0, 0, {}) for client in range(5)},
        backend=None,  # type: ignore[arg-type]
        reference={"a": torch.zeros(dim)},
        uniform=True,
        largest=40,
        mechanism=mechanism,
        charge=lambda clients: None,
    )
    encoding = secure.encode_tasks(exchange)[0]
    assert encoding is not None
    assert not encoding.tells_loss
    nothing = {"a": np.zeros(dim)}
    shares = [encoding.encode(nothing, 40, 0.5, bytes([client]) * 32) for client in range(5)]
    wanted = NOISE * encoding.values.sensitivity(sensitivity, dim) / encoding.values.scale
    assert wanted >= NOISE * sensitivity
    for count in (3, 4, 5):
        for survivors in combinations(range(5), count):
            total = np.sum([shares[client] for client in survivors], axis=0, dtype=np.uint32)
            mean, loss = encoding.decode(total, {"a": (dim,)})
            assert float(np.std(count * mean["a"])) == pytest.approx(wanted * math.sqrt(count / 3), rel=0.02)
            assert math.isnan(loss)


def test_noise_is_independent_over_tensors_clients_and_steps() -> None:
    mechanism, nothing = (
        LocalNoise(unit="example", **KEYS).fit(facts()),
        {"u": torch.zeros(90_000), "v": torch.zeros(90_000)},
    )
    draws = [
        draw(nothing, release(purpose=purpose, client=client, step=step))
        for draw, purpose in ((mechanism.protect_private, "private noise"), (mechanism.protect_client, "client noise"))
        for client in (0, 1)
        for step in (0, 1)
    ]
    correlation = torch.corrcoef(torch.stack([draw[name] for draw in draws for name in ("u", "v")])) - torch.eye(16)
    assert float(correlation.abs().max()) < 0.02


def test_noise_too_fine_for_the_ring_is_refused() -> None:
    mechanism = Distributed(noise_multiplier=0.001, unit="example").fit(facts())
    tasks = {client: ClientTask(0, 0, {}) for client in range(200)}
    known = {"a": torch.zeros(100)}
    exchange = Exchange(tasks, None, known, True, 1, mechanism, lambda clients: None)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=r"noise_multiplier: 0.001 gives shares of \d.* ring units, at least 256"):
        Secure().encode_tasks(exchange)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mechanism", [Central(**KEYS), LocalNoise(**KEYS), Distributed(**KEYS)])
def test_what_is_not_finite_is_refused(mechanism: Mechanism, bad: float) -> None:
    known = {"a": torch.zeros(3)}
    with pytest.raises(ClientError, match=r"^privacy.clip_norm: an update of norm (nan|inf) cannot be clipped"):
        mechanism.fit(facts()).protect_client(
            {"a": torch.tensor([1.0, bad, 0.0])}, Release(known, 1, keyed_generator(0, "noise"))
        )


def test_without_a_mechanism_nothing_is_promised_or_changed() -> None:
    mechanism, state = NoMechanism(), {"a": torch.ones(2)}
    assert mechanism.protect_client(state, Release(state, 1, keyed_generator(0, "noise"))) is state
    assert mechanism.expenses(0, 0) == ()
    assert mechanism.guarantee(1.0) is None
