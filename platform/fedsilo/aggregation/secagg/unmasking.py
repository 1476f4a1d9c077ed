"""Opening of a sum: the masks are removed from the sum of the masked vectors.

These are the survivors' own masks, and the masks that survivors share with clients that dropped out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.mask_expansion import MaskStream
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Unmask
from fedsilo.aggregation.secagg.session import Session, point
from fedsilo.aggregation.secagg.wrong_shares import Opener
from fedsilo.core.errors import RoundAborted


def take_masks(
    total: NDArray[np.uint32], session: Session, seeds: Mapping[int, bytes], masking: Mapping[int, bytes]
) -> None:
    """Removes all masks from the sum of masked vectors, in place.

    Args:
        total: (d,) residues: the sum of the survivors' masked vectors.
        session: The public part of the round.
        seeds: Seed of the own mask of each survivor.
        masking: Private masking key of each client that gave shares and no vector.
    """
    stream = MaskStream(len(total))
    for owner, seed in seeds.items():
        stream.subtract(total, session.own_key(owner, seed))
    for owner, key in masking.items():
        for peer in session.neighbours(owner, seeds.keys()):
            # The survivor added this mask when the dropped client's number is the larger.
            apply = stream.subtract if owner > peer else stream.add
            apply(total, session.pair_key(owner, key, peer))


def open_secrets(
    session: Session,
    parameters: Parameters,
    sharers: Collection[int],
    alive: Collection[int],
    answers: Mapping[int, Unmask],
) -> tuple[dict[int, bytes], list[str]]:
    """Opens one secret of each client that gave shares.

    Args:
        session: The public part of the round.
        parameters: What all sides agreed on.
        sharers: Clients that gave shares.
        alive: Those of them whose vector is in the sum: their seed is opened, of the others the masking key.
        answers: The shares that came, by sender.

    Returns:
        The secret of each client, and a line for each wrong share that was left out.

    Raises:
        RoundAborted: No choice of the shares of a secret opens what its owner advertised.
    """
    opener, given = Opener(parameters.shares), _by_owner(answers)
    found: dict[int, bytes | None] = {}
    for owner in sorted(sharers):
        fits = partial(_is_seed if owner in alive else _is_masking_key, session.advertised[owner])
        found[owner] = opener.secret(owner, given.get(owner, {}), fits)
    if closed := tuple(owner for owner, secret in found.items() if secret is None):
        raise _closed(closed, parameters, alive)
    return {owner: secret for owner, secret in found.items() if secret is not None}, _notices(opener, answers)


def _by_owner(answers: Mapping[int, Unmask]) -> dict[int, dict[int, bytes]]:
    """The shares of the requested secret of each client, by the point they were taken at."""
    given: dict[int, dict[int, bytes]] = {}
    for sender, answer in answers.items():
        for share in (*answer.seeds, *answer.keys):
            given.setdefault(share.owner, {})[point(sender)] = share.value
    return given


def _is_seed(entry: Advertise, secret: bytes) -> bool:
    return keys.commit(secret, entry.context, entry.sender) == entry.commitment


def _is_masking_key(entry: Advertise, secret: bytes) -> bool:
    return keys.public_key(secret) == entry.masking_key


def _notices(opener: Opener, answers: Mapping[int, Unmask]) -> list[str]:
    return [
        f"client {sender}'s share of a secret of client {owner} is wrong (one of the two altered it) and was left out"
        for owner, points in opener.wrong.items()
        for sender in answers
        if point(sender) in points
    ]


def _closed(owners: tuple[int, ...], parameters: Parameters, alive: Collection[int]) -> RoundAborted:
    enough = len(set(alive) - set(owners)) >= parameters.threshold
    return RoundAborted(
        f"secure sum: stage 'unmask': the shares that came do not open what client{'s'[: len(owners) > 1]} "
        f"{', '.join(map(str, owners))} advertised: some were altered, or too few came. "
        "Begin again with new keys, and with new noise.",
        stage="unmask", clients=owners if enough else (),
    )  # fmt: skip
