"""The frozen side of a client: text tower, class names and temperature; no image tower, no tokenizer, no open_clip.

Dimensions: K classes, L context tokens, W text width, D joint width, N prompts, B images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.core.batch import Candidates, named
from fedsilo.core.state import borrow
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.image_tail import ImageTail, TailMeta
from fedsilo.models.clip.text_tower import TextTower, TowerMeta, encode_prompts
from fedsilo.models.prompts.sequences import encode_apart, encode_names

MOST = 3
"""Number of stored results: a client's own prompt, those of others, and one more."""


class RecentFeatures:
    """The features that were last computed, each with the tensors they were computed from; the oldest is dropped.

    Clients of one process share a frozen model and, in methods that share their prompt, are measured with the same one.
    What is returned is the computed tensor itself, so no result depends on which client asked first.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self._held: list[tuple[str, tuple[Tensor, ...], Tensor]] = []

    def recall(self, how: str, read: tuple[Tensor, ...], compute: Callable[[], Tensor]) -> Tensor:
        """Returns stored features, or computes them; with gradients they are always computed.

        Args:
            how: Name of the function of `read` that is computed.
            read: The tensors it is computed from: contexts, and class tokens where they are learned.
            compute: Computes the features.

        Returns:
            The features; callers must not change them.
        """
        if torch.is_grad_enabled():
            return compute()
        for same, computed_from, features in self._held:
            if same == how and len(computed_from) == len(read) and all(map(_same_bits, computed_from, read)):
                return features
        features = compute()
        self._held = [*self._held[-(MOST - 1) :], (how, tuple(each.detach().clone() for each in read), features)]
        return features


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors agree to the last bit, the signs of zeros too."""
    if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
        return False
    return torch.equal(one.contiguous().view(torch.uint8), other.contiguous().view(torch.uint8))


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """The frozen model that all clients share.

    Without gradients it returns stored features for the contexts of its last calls: clients that share the model are
    often measured with the same prompt.

    Attributes:
        tower: The text tower.
        classes: Token embeddings of the class names.
        scale: exp(logit_scale), the inverse temperature.
        zero_shot: (K, D) normalised features of the hand-written prompt of each class.
        candidates: The candidates of scores: the classes.
        device: Device of training.
        phrases: (n, W) token embeddings of texts that the run's methods ask for.
        image: The last blocks of the image tower; None where no learner of the run needs them.
        words: Tokens of the names of the parts that candidates consist of, by part; empty for classes without parts.
    """

    tower: TextTower
    classes: ClassTokens
    scale: float
    zero_shot: Tensor
    candidates: Candidates
    device: str = "cpu"
    phrases: Mapping[str, Tensor] = field(default_factory=dict)
    image: ImageTail | None = None
    words: Mapping[str, ClassTokens] = field(default_factory=dict)
    _recent: RecentFeatures = field(default_factory=RecentFeatures, init=False, repr=False, compare=False)
    _names: list[Tensor] = field(default_factory=list, init=False, repr=False, compare=False)
    _seen: list[FrozenModel] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def width(self) -> int:
        """Returns W, the length of one context vector."""
        return int(self.classes.sos.shape[-1])

    def text_features(self, context: Tensor, classes: ClassTokens | None = None) -> Tensor:
        """Encodes contexts in front of the class names.

        Args:
            context: (L, W), or (N, L, W) for N of them.
            classes: Tokens of the classes where they are learned, `classes.with_embeddings` or `with_words`.

        Returns:
            Normalised class features (K, D), or (N, K, D).
        """
        own = self.classes if classes is None else classes
        return self._recent.recall(
            *_read("end", context, classes), lambda: normalize(encode_prompts(self.tower, own, context), dim=-1)
        )

    def recall(self, how: str, read: tuple[Tensor, ...], compute: Callable[[], Tensor]) -> Tensor:
        """Returns stored features of learned texts, or computes them; with gradients they are always computed.

        Args:
            how: Name of the function of `read` that is computed.
            read: The tensors that it is computed from, beside this model.
            compute: Computes the features.

        Returns:
            The features; callers must not change them.
        """
        return self._recent.recall(how, read, compute)

    def features_apart(self, contexts: Tensor, position: str, classes: ClassTokens | None = None) -> Tensor:
        """Encodes contexts of single classes, with the class name at any place.

        Args:
            contexts: (N, K, L, W), a context for each class.
            position: Place of the class name, one of `sequences.POSITIONS`.
            classes: Tokens of the classes where they are learned.

        Returns:
            Normalised class features (N, K, D).
        """
        own = self.classes if classes is None else classes
        return self._recent.recall(
            *_read(f"apart, {position}", contexts, classes),
            lambda: normalize(encode_apart(self.tower, own, contexts, position), dim=-1),
        )

    def name_features(self) -> Tensor:
        """Returns normalised features (K, D) of the bare class names, computed once; callers must not change them."""
        if not self._names:
            with torch.no_grad():
                self._names.append(normalize(encode_names(self.tower, self.classes), dim=-1))
        return self._names[0]

    def score(self, pooled: Tensor, text: Tensor) -> Tensor:
        """Scores images by the scaled cosine with class features.

        Args:
            pooled: Image features (B, D), normalised here.
            text: Normalised class features (K, D).

        Returns:
            Scores (B, K).
        """
        return self.scale * normalize(pooled, dim=-1) @ text.T

    def seen_only(self) -> FrozenModel:
        """Selects the candidates that are trained on: the model that clients train with.

        Returns:
            The model with these candidates; this one where all are trained on.
        """
        count = int(self.candidates.seen.sum())
        if count == len(self.candidates):
            return self
        if not self._seen:
            tokens, candidates = self.classes.first(count), self.candidates.seen_only()
            chosen = replace(self, classes=tokens, zero_shot=self.zero_shot[:count], candidates=candidates)
            self._seen.append(chosen)
        return self._seen[0]

    def replace_classes(self, tokens: Mapping[str, NDArray[Any]], zero_shot: NDArray[np.float32]) -> FrozenModel:
        """Replaces the classes.

        Args:
            tokens: Token embeddings of their names, as `ClassTokens.tensors` in arrays.
            zero_shot: (k, D) normalised features of their hand-written prompts.

        Returns:
            The model with k other classes.
        """
        classes = ClassTokens.from_tensors({name: borrow(array).to(self.device) for name, array in tokens.items()})
        names = tuple(map(str, range(len(classes))))
        return replace(self, classes=classes, zero_shot=borrow(zero_shot).to(self.device), candidates=named(names))

    def pack(self) -> PackedModel:
        """Returns the model as plain CPU arrays, which Ray shares between processes without a copy."""
        tensors = {f"tower.{k}": v for k, v in self.tower.tensors().items()}
        tensors |= {f"classes.{k}": v for k, v in self.classes.tensors().items()}
        tensors |= {f"phrases.{k}": v for k, v in self.phrases.items()}
        for part, words in self.words.items():
            tensors |= {f"words.{part}.{k}": v for k, v in words.tensors().items()}
        if self.image is not None:
            tensors |= {f"image.{k}": v for k, v in self.image.tensors().items()}
        tensors["zero_shot"] = self.zero_shot
        arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
        return PackedModel(
            self.tower.meta, arrays, self.scale, self.candidates, None if self.image is None else self.image.meta
        )


def _read(how: str, contexts: Tensor, classes: ClassTokens | None) -> tuple[str, tuple[Tensor, ...]]:
    """Returns the kind of features and the tensors they are computed from, for `RecentFeatures`."""
    if classes is None:
        return how, (contexts,)
    return f"{how}, {classes.lengths}", (contexts, classes.embeddings)


@dataclass(frozen=True, slots=True)
class PackedModel:
    """A `FrozenModel` as arrays, for another process; that process chooses the device.

    Attributes:
        meta: Shape of the tower.
        arrays: All tensors by name.
        scale: exp(logit_scale).
        candidates: The candidates of scores.
        image: Shape of the image tower's last blocks; None where they are not sent.
    """

    meta: TowerMeta
    arrays: Mapping[str, NDArray[Any]]
    scale: float
    candidates: Candidates
    image: TailMeta | None = None

    def unpack(self, device: str = "cpu") -> FrozenModel:
        """Builds the model on a device; on the CPU it uses the arrays' own memory.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The model.
        """
        tensors = {name: borrow(array).to(device) for name, array in self.arrays.items()}
        tower = TextTower.from_tensors(self.meta, _below("tower.", tensors))
        classes = ClassTokens.from_tensors(_below("classes.", tensors))
        phrases = _below("phrases.", tensors)
        tail = None if self.image is None else ImageTail(self.image, _below("image.", tensors))
        words = {part: ClassTokens.from_tensors(_below(f"words.{part}.", tensors)) for part in self.candidates.words}
        return FrozenModel(
            tower, classes, self.scale, tensors["zero_shot"], self.candidates, device, phrases, tail, words
        )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def draw_context(length: int, width: int, generator: torch.Generator) -> Tensor:
    """Draws context vectors from N(0, 0.02^2), the start of CoOp and the methods after it.

    Args:
        length: L.
        width: W.
        generator: Source of the draws.

    Returns:
        (L, W).
    """
    return 0.02 * torch.randn(length, width, generator=generator)
