"""What the coordinator's view tells: the sum, and nothing that depends on how it came about.

All draws are seeded, so a statistic is what it is; the bounds are such that one in 10**4 honest seeds would fail them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, chisquare, kstest

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg import shamir
from fedsilo.aggregation.secagg.mask_expansion import MaskStream
from fedsilo.aggregation.secagg.parameters import Parameters, default_threshold
from fedsilo.aggregation.secagg.protocol_messages import Roster, Unmask
from fedsilo.aggregation.secagg.session import Session, point

Make = Callable[..., Any]
Residues = NDArray[np.uint32]
LEAST = 1e-4


def assert_uniform(residues: Residues) -> None:
    """By the counts of bytes in each of the four places, and by the distribution of the whole."""
    for place in range(4):
        counts = np.bincount((residues >> np.uint32(8 * place)) & np.uint32(255), minlength=256)
        assert chisquare(counts).pvalue > LEAST
    assert kstest(residues / 2**32, "uniform").pvalue > LEAST


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**32 - 1])
def test_a_masked_constant_is_uniform(play: Make, value: int) -> None:
    vectors = {i: np.full(20_000, value, dtype=np.uint32) for i in range(3)}
    round = play(3, 20_000, vectors=vectors, seed=value).until("unmask")
    for vector in round.view().values():
        assert_uniform(vector)


def test_a_masked_zero_is_uniform_over_rounds(play: Make) -> None:
    """Few coordinates of many rounds, so of many keys."""
    vectors = {i: np.zeros(8, dtype=np.uint32) for i in range(3)}
    rounds = [play(3, 8, vectors=vectors, seed=seed).until("unmask") for seed in range(300)]
    assert_uniform(np.concatenate([round.view()[1] for round in rounds]))


def test_masked_vectors_do_not_go_with_the_vectors_nor_with_each_other(play: Make) -> None:
    draw = np.random.default_rng(0)
    vectors = {i: draw.integers(0, 2**32, 50_000, dtype=np.uint32) for i in range(4)}
    view = play(4, 50_000, vectors=vectors).until("unmask").view()
    rows = np.array([*vectors.values(), *view.values()], dtype=np.float64)
    apart = np.corrcoef(rows)[~np.eye(8, dtype=bool)]
    assert np.max(np.abs(apart)) < 4.5 / np.sqrt(50_000)
    assert_uniform(view[0] - vectors[0])


class Adversary:
    """The coordinator, and clients that tell it all they know, after a whole round.

    It takes off every mask that it can: those of seeds and masking keys that were opened, and those that colluding
    clients share with others.
    """

    def __init__(self, round: Any, colluding: tuple[int, ...] = (), withheld: tuple[int, ...] = ()) -> None:
        self.round, self.dim = round, round.parameters.dim
        entries = [message for message in round.seen if type(message).__name__ == "Advertise"]
        context = entries[0].context
        self.session = Session.begin(round.parameters, Roster(context, tuple(sorted(entries, key=lambda e: e.sender))))
        answers = [message for message in round.seen if isinstance(message, Unmask)]
        self.seeds = self._open(answers, "seeds", withheld)
        self.keys = self._open(answers, "keys", ()) | {i: round.secrets[i] for i in colluding}

    def _open(self, answers: list[Unmask], kind: str, withheld: tuple[int, ...]) -> dict[int, bytes]:
        collected: dict[int, dict[int, bytes]] = {}
        for answer in answers:
            for share in getattr(answer, kind):
                collected.setdefault(share.owner, {})[point(answer.sender)] = share.value
        threshold = self.round.parameters.shares
        return {owner: shamir.combine(s, threshold) for owner, s in collected.items() if owner not in withheld}

    def stripped(self) -> dict[int, Residues]:
        """The masked vectors less all known masks."""
        stream, stripped = MaskStream(self.dim), {}
        for client, vector in self.round.view().items():
            left = vector.copy()
            if client in self.seeds:
                stream.subtract(left, self.session.own_key(client, self.seeds[client]))
            for peer in self.session.graph[client]:
                known = client if client in self.keys else peer
                if known in self.keys:
                    other = peer if known == client else client
                    apply = stream.subtract if peer > client else stream.add
                    apply(left, self.session.pair_key(known, self.keys[known], other))
            stripped[client] = left
        return stripped


def outcome(play: Make, seed: int, vectors: dict[int, Residues], drops: dict[int, str], n: int, c: int = 0) -> Any:
    """A finished round, whose clients' masking keys are noted for those that will collude."""
    dim = len(vectors[0])
    round = play(
        parameters=Parameters(tuple(range(n)), default_threshold(n, c), dim, c), vectors=vectors, seed=seed, drops=drops
    )
    round.collect("advertise")
    round.secrets = {i: client._secrets.masking for i, client in round.clients.items()}
    round.close()
    for stage in ("share", "mask", "unmask"):
        round.collect(stage)
        round.close()
    return round


def test_the_adversary_of_these_tests_can_open_what_can_be_opened(play: Make) -> None:
    """With everybody's masking key nothing stays hidden, so what stays hidden below is not for want of trying."""
    vectors = {i: np.arange(50, dtype=np.uint32) * np.uint32(i + 1) for i in range(5)}
    round = outcome(play, 0, vectors, {4: "mask"}, 5)
    stripped = Adversary(round, colluding=tuple(range(5))).stripped()
    assert set(stripped) == {0, 1, 2, 3}
    for client, vector in stripped.items():
        np.testing.assert_array_equal(vector, vectors[client])


@pytest.mark.parametrize(("n", "colluding"), [(5, ()), (6, (1, 3))])
def test_inputs_with_the_same_sum_give_the_same_view(play: Make, n: int, colluding: tuple[int, ...]) -> None:
    """Two sets of inputs as different as can be, equal in what is opened: no one can tell which it was.

    Each honest survivor's vector, and each sum of fewer than all of them, is uniform under both.
    """
    honest = [i for i in range(n - 1) if i not in colluding]
    views = []
    for shift in (0, 1):
        seen = []
        for seed in range(6):
            vectors = {i: np.zeros(3000, dtype=np.uint32) for i in range(n)}
            vectors[honest[shift]] = np.full(3000, 7_000_000, dtype=np.uint32)
            round = outcome(play, 2 * seed + shift, vectors, {n - 1: "mask"}, n, len(colluding))
            stripped = Adversary(round, colluding).stripped()
            assert all(not stripped[i].any() for i in colluding)
            total = sum((stripped[i] for i in honest), np.zeros(3000, dtype=np.uint32))
            np.testing.assert_array_equal(total, round.coordinator.result().total)
            seen.append([stripped[i] for i in honest])
        views.append(np.concatenate(seen, axis=1))
    parts = [[0], [1], [0, 1], [-1], [0, -1]] if len(honest) > 3 else [[0], [1], [0, 1], [-1]]
    for part in parts:
        first, second = (view[part].sum(axis=0, dtype=np.uint32) for view in views)
        assert_uniform(first)
        assert_uniform(second)
        counts = [np.bincount(residues >> np.uint32(24), minlength=256) for residues in (first, second)]
        assert chi2_contingency(counts).pvalue > LEAST


def test_with_one_seed_withheld_nothing_decodes(play: Make) -> None:
    """All masking keys are known, one client's seed is not: neither its vector nor the total can be had."""
    vectors = {i: np.full(20_000, 5, dtype=np.uint32) for i in range(5)}
    round = outcome(play, 0, vectors, {4: "mask"}, 5)
    stripped = Adversary(round, colluding=tuple(range(5)), withheld=(2,)).stripped()
    assert_uniform(stripped[2])
    assert_uniform(sum(stripped.values(), np.zeros(20_000, dtype=np.uint32)))


def test_a_late_vector_stays_masked(play: Make) -> None:
    """Its sender's masking key is opened, the seed of its own mask is not."""
    vectors = {i: np.full(20_000, 9, dtype=np.uint32) for i in range(5)}
    round = play(parameters=Parameters(tuple(range(5)), 4, 20_000), vectors=vectors, drops={3: "mask"}).until("mask")
    late = round.answer(3, "mask")
    round.collect("mask")
    round.close()
    assert round.send(late) is False
    round.collect("unmask")
    round.close()
    adversary = Adversary(round)
    assert 3 in adversary.keys
    assert 3 not in adversary.seeds
    assert_uniform(adversary.stripped()[3])
    np.testing.assert_array_equal(round.coordinator.result().total, 36)


def test_no_message_holds_a_secret_in_the_clear(play: Make) -> None:
    round = play(4)
    round.collect("advertise")
    secrets = [client._secrets for client in round.clients.values()]
    hidden = [value for held in secrets for value in (held.encryption, held.masking, held.seed)]
    round.close()
    round.collect("share")
    hidden += [share for held in secrets for pair in held.shares.values() for share in pair]
    round.close()
    round.collect("mask")
    sent = b"".join(message.to_bytes() for message in round.seen)
    assert len(hidden) == 4 * 3 + 4 * 2
    assert not any(value in sent for value in hidden)
    assert all(keys.public_key(held.masking) in sent for held in secrets)


def test_secrets_are_not_printed(play: Make) -> None:
    round = play(3).until("unmask")
    answer = round.answer(0, "unmask")
    shown = repr(answer) + repr(round.clients[1]._secrets) + repr(answer.seeds[0])
    assert answer.seeds[0].value.hex()[:16] not in shown
    assert "b'" not in shown
