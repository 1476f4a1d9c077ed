"""Image features of a split: cut in chunks, encoded once, cached, and handed out by the batch.

A chunk is the unit of the cache and of an encoder's work: at most 256 images in one view. Its key says all that its
numbers depend on. `CachedFeatures` holds every view in memory, `StoredFeatures` reads it from the cache,
`OnlineFeatures` encodes when asked; the same view of the same image is the same feature from all of them.

Dimensions: V views, n images, M patches, D joint width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from fedsilo.backbone.cache import Array
from fedsilo.backbone.cached import CachedFeatures
from fedsilo.backbone.images import ImageEncoder
from fedsilo.contracts import Examples, Indices
from fedsilo.lookahead import ahead, cores

__all__ = [
    "CachedFeatures",
    "Chunk",
    "Encode",
    "EncodedChunk",
    "OnlineFeatures",
    "Viewing",
    "chunks",
    "encode_chunk",
    "encode_chunks",
]

CHUNK = 256
_FORWARD = 64
"""Images per forward pass: bounds memory, and fixed, since the bits may depend on it."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Viewing:
    """Which views of a split are wanted.

    Attributes:
        views: Numbers of the views: 0 the plain one, the others random ones.
        seed: What random views are drawn from.
        tokens: Whether patch tokens are wanted as well.
    """

    views: tuple[int, ...] = (0,)
    seed: int = 0
    tokens: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """Images [start, stop) of a split in one view.

    Attributes:
        key: SHA-256 of all that the features depend on, tokens or not.
        start: First image.
        stop: One past the last image.
        view: Number of the view.
        seed: What a random view is drawn from.
        tokens: Whether patch tokens are wanted as well.
    """

    key: str
    start: int
    stop: int
    view: int
    seed: int
    tokens: bool


@dataclass(frozen=True, eq=False, slots=True)
class EncodedChunk:
    """A chunk and its features.

    Attributes:
        chunk: What was encoded.
        pooled: (stop - start, D), not normalised.
        tokens: (stop - start, M, D), not normalised, or None.
    """

    chunk: Chunk
    pooled: Array
    tokens: Array | None


Encode = Callable[[Sequence[Chunk]], Iterable[EncodedChunk]]
"""Encodes chunks, anywhere and in any order."""


def chunks(encoder: ImageEncoder, examples: Examples, viewing: Viewing) -> list[Chunk]:
    """Returns all chunks of a split, view by view."""
    found = []
    for view in viewing.views:
        for start in range(0, len(examples), CHUNK):
            stop = min(start + CHUNK, len(examples))
            key = _key(encoder, examples.digests[start:stop], view, viewing.seed)
            found.append(Chunk(key, start, stop, view, viewing.seed, viewing.tokens))
    return found


def _key(encoder: ImageEncoder, digests: Sequence[str], view: int, seed: int) -> str:
    # The kind of device and torch's version are in it: other kernels, other bits.
    device = torch.device(encoder.device).type
    facts = {
        "format": _FORMAT,
        "backbone": encoder.fingerprint,
        "preprocessing": asdict(encoder.preprocessing),
        "arithmetic": [encoder.precision, device, torch.__version__, *([encoder.tf32] if device == "cuda" else [])],
        "view": [view, seed] if view else [0],
        "images": list(digests),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def encode_chunks(
    encoder: ImageEncoder, examples: Examples, wanted: Sequence[Chunk], threads: int = 0
) -> Iterator[EncodedChunk]:
    """Yields the features of chunks in their order, while threads read and prepare the images that come next.

    The bits do not depend on the threads: what goes through the tower together is fixed. No thread is left when it
    ends or is closed.

    Args:
        encoder: The image tower.
        examples: The images.
        wanted: Chunks of these images.
        threads: How many fetch images and make views of them; 0: one per core.

    Raises:
        DataError: An image cannot be read.
        BackboneError: A feature is not finite.
    """

    def prepared(place: tuple[Chunk, int]) -> Tensor:
        return _view(encoder, examples, place[1], place[0].view, place[0].seed)

    places = ((chunk, i) for chunk in wanted for i in range(chunk.start, chunk.stop))
    with closing(ahead(prepared, places, threads or cores(), 2 * _FORWARD)) as images:
        for chunk in wanted:
            yield _through_tower(encoder, images, chunk, examples.name)


def encode_chunk(encoder: ImageEncoder, examples: Examples, chunk: Chunk, threads: int = 0) -> EncodedChunk:
    """Returns the features of one chunk; depends on nothing but its arguments, which can all be sent elsewhere."""
    (encoded,) = encode_chunks(encoder, examples, [chunk], threads)
    return encoded


def _through_tower(
    encoder: ImageEncoder, images: Iterator[Tensor], chunk: Chunk, name: Callable[[int], str]
) -> EncodedChunk:
    parts = []
    for start in range(chunk.start, chunk.stop, _FORWARD):
        batch = torch.stack(list(islice(images, min(_FORWARD, chunk.stop - start))))
        parts.append(encoder.encode(batch, chunk.tokens, partial(_name_after, name, start)))
    pooled = np.concatenate([pooled.numpy() for pooled, _ in parts])
    tokens = np.concatenate([tokens.numpy() for _, tokens in parts if tokens is not None]) if chunk.tokens else None
    return EncodedChunk(chunk, pooled, tokens)


def _name_after(name: Callable[[int], str], start: int, i: int) -> str:
    return name(start + i)


def _view(encoder: ImageEncoder, examples: Examples, i: int, view: int, seed: int) -> Tensor:
    return encoder.preprocessing.view(examples.fetch(i), view, examples.digests[i], seed)


@dataclass(frozen=True, eq=False, slots=True)
class OnlineFeatures:
    """Features encoded whenever they are asked for, as the released prompt-learning code does.

    Attributes:
        encoder: The image tower.
        examples: The images.
        seed: What random views are drawn from.
        tokens: Whether patch tokens are wanted as well.
        indices: Positions in `examples` that this source is about; None for all.
    """

    encoder: ImageEncoder
    examples: Examples
    seed: int
    tokens: bool = False
    indices: Indices | None = None

    def __len__(self) -> int:
        return len(self.examples) if self.indices is None else len(self.indices)

    def batch(self, indices: Indices, view: int) -> tuple[Tensor, Tensor | None]:
        """Returns pooled features (b, D) and tokens (b, M, D) or None of some images, or none, in any view."""
        if not len(indices):  # a Poisson sample can be empty; the shapes are those of any other image
            pooled, tokens = self.batch(np.zeros(1, dtype=np.int64), view)
            return pooled[:0], None if tokens is None else tokens[:0]
        chosen = indices if self.indices is None else self.indices[indices]
        images = [_view(self.encoder, self.examples, i, view, self.seed) for i in chosen.tolist()]
        return self.encoder.encode(torch.stack(images), self.tokens, lambda i: self.examples.name(int(chosen[i])))

    def on(self, device: str) -> OnlineFeatures:
        """Returns the source with its tower on a device."""
        return replace(self, encoder=replace(self.encoder, device=device))

    def take(self, indices: Indices) -> OnlineFeatures:
        """Returns a source of some images only, as one client holds them."""
        chosen = indices if self.indices is None else self.indices[indices]
        return OnlineFeatures(self.encoder, self.examples, self.seed, self.tokens, chosen)
