"""Encoder actors: the image tower on its own share of the machine, gone before training begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ray
import torch
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from fedsilo.backbone.features import Chunk, EncodedChunk, encode_chunk
from fedsilo.backbone.images import ImageEncoder
from fedsilo.contracts import Examples
from fedsilo.errors import ClientError, FedsiloError, ResourceError
from fedsilo.scenario.sections import Actors
from fedsilo_actors.cluster import total


class EncoderActor:
    """An image tower that encodes chunk after chunk."""

    def __init__(self, threads: int) -> None:
        """Makes an encoder that fetches its tower with the first chunk."""
        torch.set_num_threads(threads)
        self._at_hand: tuple[ImageEncoder, Examples] | None = None

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return "encoder"

    @ray.method
    def encode(self, supplies: Sequence[Any], chunk: Chunk) -> EncodedChunk:
        """Returns the features of one chunk; `supplies` are the references of tower and images."""
        if self._at_hand is None:
            encoder, images = ray.get(list(supplies))
            self._at_hand = encoder, images
        return encode_chunk(*self._at_hand, chunk)


def encode_with_actors(
    section: Actors, encoder: ImageEncoder, images: Examples, missing: Sequence[Chunk]
) -> Iterator[EncodedChunk]:
    """Yields the features of the chunks as they come; actors are started only when a chunk is missing.

    Raises:
        ResourceError: No encoder answers within the time limit.
        FedsiloError: What an image or the tower is at fault for.
    """
    if not missing:
        return
    count = min(len(missing), section.encoders or max(int(total().get("CPU", 1)), 1))
    supplies = [ray.put(encoder), ray.put(images)]
    actor: Any = ray.remote(num_cpus=0, max_restarts=section.retries, max_task_retries=section.retries)(EncoderActor)
    actors = [actor.options(name=f"encoder {number}").remote(section.threads) for number in range(count)]
    try:
        yield from _work(actors, supplies, missing, section.timeout_s)
    finally:
        for handle in actors:
            ray.kill(handle, no_restart=True)


def _work(
    actors: Sequence[ActorHandle[Any]], supplies: Sequence[Any], missing: Sequence[Chunk], timeout_s: float
) -> Iterator[EncodedChunk]:
    waiting = list(reversed(missing))
    busy: dict[Any, ActorHandle[Any]] = {}
    for actor in actors:
        busy[actor.encode.remote(supplies, waiting.pop())] = actor
    while busy:
        done, _ = ray.wait(list(busy), timeout=timeout_s)
        if not done:
            raise ResourceError(f"encoder: no image was encoded within {timeout_s:g} s. Raise actors.timeout_s.")
        actor = busy.pop(done[0])
        encoded = _answer(done[0])
        if waiting:
            busy[actor.encode.remote(supplies, waiting.pop())] = actor
        yield encoded


def _answer(call: Any) -> EncodedChunk:
    try:
        encoded: EncodedChunk = ray.get(call, timeout=60)
        return encoded
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, FedsiloError):
            raise cause from None
        raise ClientError(f"encoder: {type(cause).__name__}: {cause}.", stage="encode") from None
    except (RayActorError, GetTimeoutError) as error:
        first = str(error).strip().splitlines()[0]
        raise ClientError(f"encoder: died again and again: {first}", stage="encode") from None
