"""Generators of all draws; each follows from the seed and from the purpose of the draw.

Nothing here has state. A retried client, a resumed run, another backend or another order of clients asks for the same
(seed, purpose, round, client, step) and gets the same bits.

Draws that privacy rests on, Gaussian noise and Poisson samples, are determined by one key of 32 bytes. ChaCha20 under
the key is their only source of bits, as for the discrete Gaussian and for masks: there are 2^256 streams, and without
the key a stream cannot be distinguished from uniform bits. torch's generator on the CPU keeps 32 bits of its seed, so
two of 100,000 streams are equal with a probability of two thirds, and 2^32 streams can be tried.

Gaussian numbers are drawn in float64 by the method of Box and Muller, from uniform numbers of 53 bits. None is more
than sqrt(2 * 53 * ln 2) = 8.57 deviations from 0; a true Gaussian number is with a probability of 1e-17. In float32 the
bound would be 5.77 deviations with a probability of 8e-9, which is not below the delta of many releases.

Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958; ChaCha20 is RFC 8439's.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KEY_BYTES, ZERO_COUNTER_AND_NONCE = 32, bytes(16)
BITS = 53
"""Bits of a uniform number: all that a float64 in [0, 1) can have at equal distances."""


class KeyedGenerator:
    """A generator of numbers under one key; each call continues the stream.

    Attributes:
        key: The 32 bytes that determine all draws; used for nothing else.
    """

    def __init__(self, key: bytes) -> None:
        """Begins the stream of a key."""
        self.key = key
        self._stream = Cipher(ChaCha20(key, ZERO_COUNTER_AND_NONCE), mode=None).encryptor()

    def uniform(self, count: int) -> Tensor:
        """Draws independent uniform numbers.

        Args:
            count: How many.

        Returns:
            (count,) numbers in [0, 1), float64, multiples of 2^-53, on the CPU.
        """
        import torch

        return torch.from_numpy(self._uniform(count))

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draws independent numbers from N(0, 1).

        Args:
            shape: Shape of the result.

        Returns:
            Numbers within 8.57 of 0, float64, on the CPU.
        """
        import torch

        count = math.prod(shape)
        pairs = self._uniform(2 * (-(-count // 2))).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log1p(-pairs[:, 0]))  # 1 - u is in (0, 1]
        angle = 2.0 * np.pi * pairs[:, 1]
        numbers = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]
        return torch.from_numpy(numbers.reshape(tuple(shape)))

    def _uniform(self, count: int) -> NDArray[np.float64]:
        words = np.frombuffer(self._stream.update(bytes(8 * count)), dtype="<u8")
        return (words >> np.uint64(64 - BITS)).astype(np.float64) * 2.0**-BITS


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

    Its 32 bits of seed are enough for initial states and the order of batches, on which no privacy rests.

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


@contextmanager
def draw_from(seed: int, device: str = "cpu") -> Iterator[None]:
    """Sets torch's global generators, which dropout draws from, to a seed inside the block, and restores them after it.

    Args:
        seed: A derived seed.
        device: Device whose generator is set besides the CPU's.

    Yields:
        Nothing.
    """
    generators = global_generators(device)
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def global_generators(device: str) -> list[torch.Generator]:
    """Finds torch's global generators.

    Args:
        device: Device whose generator is meant besides the CPU's.

    Returns:
        The CPU's generator, and on a GPU that GPU's.
    """
    import torch

    if not device.startswith("cuda"):
        return [torch.default_generator]
    return [torch.default_generator, torch.cuda.default_generators[torch.device(device).index or 0]]
