"""Generators of all draws; each follows from the seed and from the purpose of the draw.

Nothing here has state. A retried client, a resumed run, another backend or another order of clients asks for the same
(seed, purpose, round, client, step) and gets the same bits.
"""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import numpy as np

from fedsilo.core.keyed_draws import KEY_BYTES, KeyedGenerator

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> int:
    """Derives a seed for one purpose at one place of the run.

    Args:
        seed: The scenario's seed.
        purpose: What the draw is for, for example "batches"; different purposes never share a stream.
        round: Round number, 0 outside rounds.
        client: Client number, 0 where the draw belongs to no client.
        step: Step or exchange within the round.

    Returns:
        A seed in [0, 2**63).
    """
    return int.from_bytes(_digest(seed, purpose, round, client, step, 8), "big") >> 1


def derive_key(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> bytes:
    """Derives a key for one purpose at one place of the run.

    Args:
        seed: The scenario's seed.
        purpose: As for `derive`.
        round: As for `derive`.
        client: As for `derive`.
        step: As for `derive`.

    Returns:
        32 bytes.
    """
    return _digest(seed, purpose, round, client, step, KEY_BYTES)


def _digest(seed: int, purpose: str, round: int, client: int, step: int, size: int) -> bytes:
    text = f"{seed}|{purpose}|{round}|{client}|{step}".encode()
    return hashlib.blake2b(text, digest_size=size).digest()


def bind_purpose(purpose: str, attempt: int, federation: str) -> str:
    """Binds a purpose to an attempt and a federation, so that draws are never repeated between these.

    This is for noise: where a release was already seen with some noise, the same noise hides nothing in a second
    release with other data or of another method.

    Args:
        purpose: What the draw is for.
        attempt: The number of the attempt at the round.
        federation: The run's federation, by its method.

    Returns:
        The purpose to derive from.
    """
    return f"{purpose} of {federation}, attempt {attempt}"


def keyed_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> KeyedGenerator:
    """Makes a generator under a key of 32 bytes, for draws that privacy rests on.

    Args:
        seed: The scenario's seed.
        purpose: As for `derive`.
        round: As for `derive`.
        client: As for `derive`.
        step: As for `derive`.

    Returns:
        The generator.
    """
    return KeyedGenerator(derive_key(seed, purpose, round=round, client=client, step=step))


def system_generator() -> KeyedGenerator:
    """Makes a generator under a key of the operating system, for draws that privacy rests on in a real release."""
    return KeyedGenerator(os.urandom(KEY_BYTES))


def torch_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> torch.Generator:
    """Makes a torch generator for one purpose; draws are made on the CPU, so that all devices have the same.

    It keeps 32 bits of its seed. That is enough for initial states and the order of batches, on which no privacy rests,
    and not for noise.

    Args:
        seed: The scenario's seed.
        purpose: As for `derive`.
        round: As for `derive`.
        client: As for `derive`.
        step: As for `derive`.

    Returns:
        A generator on the CPU.
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, round=round, client=client, step=step))


def numpy_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> np.random.Generator:
    """Makes a numpy generator (PCG64) for one purpose.

    Args:
        seed: The scenario's seed.
        purpose: As for `derive`.
        round: As for `derive`.
        client: As for `derive`.
        step: As for `derive`.

    Returns:
        The generator.
    """
    return np.random.default_rng(derive(seed, purpose, round=round, client=client, step=step))


def published_generator(seed: int) -> random.Random:
    """Makes Python's own generator with exactly this seed, for splits that were published as its draws.

    It draws the same as `random.seed(seed)` and the functions of `random`, and does not change their global state.

    Args:
        seed: The published seed.

    Returns:
        The generator.
    """
    return random.Random(seed)
