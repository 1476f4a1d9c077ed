"""Encoder actors: the image tower on its own share of the machine or of its GPUs; they end before training begins."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import ray
import torch
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fedsilo.config.sections import Actors
from fedsilo.core import Examples
from fedsilo.core.errors import ClientError, ClusterError, FedsiloError
from fedsilo.models.clip.features import Chunk, EncodedChunk, encode_chunk
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo_actors.cluster import total_resources
from fedsilo_actors.devices import pick_device
from fedsilo_actors.monitoring.logs import LOG, start_logging
from fedsilo_actors.placement.reservation import WaitLimit, hold_placement
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.recovery.failures import explain, first_line

STEPS = 10_000
"""Number of parts into which Ray divides a GPU."""


class EncoderActor:
    """An image tower that encodes chunk after chunk."""

    def __init__(self, threads: int, gpus: float, readers: int, log_level: str = "warning") -> None:
        """Makes an encoder that fetches its tower with the first chunk.

        Args:
            threads: Torch threads of the tower.
            gpus: Share of a GPU that it is given.
            readers: Threads that fetch and prepare images beside the tower.
            log_level: Lowest level of its log lines.
        """
        start_logging(log_level)
        torch.set_num_threads(threads)
        self._gpus, self._readers = gpus, readers
        self._at_hand: tuple[ImageEncoder, Examples] | None = None

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return "encoder"

    @ray.method
    def encode(self, supplies: Sequence[Any], chunk: Chunk) -> EncodedChunk:
        """Encodes one chunk.

        Args:
            supplies: References to the tower and the images.
            chunk: The chunk.

        Returns:
            Its features.
        """
        if self._at_hand is None:
            encoder, images = ray.get(list(supplies))
            pick_device(encoder.device, self._gpus)  # features of another device than they are kept under would mislead
            self._at_hand = encoder, images
        started = time.perf_counter()
        encoded = encode_chunk(*self._at_hand, chunk, self._readers)
        LOG.info("encoder: %d images in %.2f s", chunk.stop - chunk.start, time.perf_counter() - started)
        return encoded


def encode_with_actors(
    section: Actors,
    encoder: ImageEncoder,
    images: Examples,
    missing: Sequence[Chunk],
    kind: type[EncoderActor] = EncoderActor,
) -> Iterator[EncodedChunk]:
    """Encodes chunks of images by actors, which are started only when a chunk is missing.

    Args:
        section: The scenario's `actors`.
        encoder: The image tower.
        images: All images.
        missing: The chunks to encode.
        kind: Class of the actors.

    Yields:
        The features of one chunk, in order of arrival.

    Raises:
        ResourceError: The GPUs are not free within the time limit.
        ClusterError: Encoders died again and again, or none answers within the time limit.
        FedsiloError: An image or the tower is faulty.
    """
    if not missing:
        return
    count, share = plan_encoders(section, len(missing), encoder.device)
    supplies = [ray.put(encoder), ray.put(images)]
    with start_encoders(section, count, share, kind) as actors:
        # An encoder may have to be started first, or again after its process died.
        yield from _work(actors, supplies, missing, section.start_timeout_s + section.timeout_s)


def plan_encoders(section: Actors, chunks: int, device: str) -> tuple[int, float]:
    """Chooses the number of encoders and their shares of a GPU.

    Args:
        section: The scenario's `actors`.
        chunks: Number of chunks to encode.
        device: The device they are encoded on.

    Returns:
        Number of encoders, and the share of a GPU of each.
    """
    there_is = total_resources()
    gpus = int(there_is.get("GPU", section.wait_for_nodes)) if device.startswith("cuda") else 0
    count = min(chunks, section.encoders or gpus or max(int(there_is.get("CPU", 1)), 1))
    if not gpus:
        return count, 0.0
    on_one = math.ceil(count / gpus)
    return count, (STEPS // on_one) / STEPS


@contextlib.contextmanager
def start_encoders(
    section: Actors, count: int, share: float, kind: type[EncoderActor] = EncoderActor
) -> Iterator[list[ActorHandle[Any]]]:
    """Starts encoder actors and ends them, with their GPUs, when the context ends.

    Args:
        section: The scenario's `actors`.
        count: Number of encoders.
        share: Share of a GPU of each.
        kind: Class of the actors.

    Yields:
        Handles of the actors.

    Raises:
        ResourceError: The GPUs are not free within the time limit.
    """
    retries, readers = section.retries, max(1, int(total_resources().get("CPU", 1)) // count)
    actor: Any = ray.remote(num_cpus=0, num_gpus=share, max_restarts=retries, max_task_retries=retries)(kind)
    asked = [Resources(share, 0.0)] * count if share else []
    with hold_placement(asked, WaitLimit.of(section), "encoders") as group:
        places = [
            "DEFAULT" if group is None else PlacementGroupSchedulingStrategy(group, number) for number in range(count)
        ]
        actors = [
            actor.options(name=f"encoder {number}", scheduling_strategy=place).remote(
                section.threads, share, readers, section.log_level
            )
            for number, place in enumerate(places)
        ]
        try:
            yield actors
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
            raise ClusterError(f"encoder: no image was encoded within {timeout_s:g} s. Raise actors.timeout_s.")
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
        if isinstance(error.cause, (FedsiloError, RayError, MemoryError)):
            raise explain(error, "encoder") from None
        raise ClientError(
            f"encoder: {type(error.cause).__name__}: {first_line(error.cause)}.", stage="encode"
        ) from None
    except RayActorError as error:
        raise ClusterError(f"encoder: died again and again: {first_line(error)}. Then resume the run.") from None
    except RayError as error:
        raise explain(error, "encoder") from None
