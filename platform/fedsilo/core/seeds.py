"""Randomness as a function: every draw comes from a generator derived from what it is for.

Nothing here has state. A retried client, a resumed run, another backend or another order of clients asks for the
same (seed, purpose, round, client, step) and gets the same bits.
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
    """Returns a seed in [0, 2**63) for one purpose at one place of the run.

    Args:
        seed: The scenario's seed.
        purpose: What the draw is for, for example "batches"; different purposes never share a stream.
        round: Round number, 0 outside rounds.
        client: Client number, 0 where the draw belongs to no client.
        step: Step or exchange within the round.
    """
    return int.from_bytes(_digest(seed, purpose, round, client, step, 8), "big") >> 1


def derive_key(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> bytes:
    """Returns 32 bytes for a cipher's stream, for one purpose at one place of the run."""
    return _digest(seed, purpose, round, client, step, KEY_BYTES)


def _digest(seed: int, purpose: str, round: int, client: int, step: int, size: int) -> bytes:
    text = f"{seed}|{purpose}|{round}|{client}|{step}".encode()
    return hashlib.blake2b(text, digest_size=size).digest()


def bind_purpose(purpose: str, attempt: int, federation: str) -> str:
    """Returns a purpose whose draws differ from attempt to attempt, and from one federation of a run to another.

    For what must not be drawn twice alike: noise under which something became known hides nothing a second time, where
    what it is added to has changed in between, or is another method's gradient of the same data.
    """
    return f"{purpose} of {federation}, attempt {attempt}"


def keyed_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> KeyedGenerator:
    """Returns a generator under a key of 32 bytes for one purpose: for draws that privacy rests on."""
    return KeyedGenerator(derive_key(seed, purpose, round=round, client=client, step=step))


def system_generator() -> KeyedGenerator:
    """Returns a generator under a key of the operating system: for draws that privacy rests on in a real release."""
    return KeyedGenerator(os.urandom(KEY_BYTES))


def torch_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> torch.Generator:
    """Returns a CPU torch generator for one purpose; draws are made on the CPU so that devices agree.

    It keeps 32 bits of what it is seeded with. That is enough for initial states and the order of batches, on which no
    privacy rests, and not for noise.
    """
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, round=round, client=client, step=step))


def numpy_generator(seed: int, purpose: str, *, round: int = 0, client: int = 0, step: int = 0) -> np.random.Generator:
    """Returns a numpy generator (PCG64) for one purpose."""
    return np.random.default_rng(derive(seed, purpose, round=round, client=client, step=step))


def published_generator(seed: int) -> random.Random:
    """Returns Python's own generator at exactly this seed, for splits that were published as draws from it.

    It draws what `random.seed(seed)` and the functions of `random` would, without touching their common state.
    """
    return random.Random(seed)
