"""The frozen model that clients share, built from a loaded backbone for what the methods of a run read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from fedsilo.core import Candidates, Method
from fedsilo.core.batch import IMAGE, named
from fedsilo.core.finiteness import require_scores
from fedsilo.core.task import CandidateEvidence
from fedsilo.models.clip.class_tokens import format_word
from fedsilo.models.clip.conversion import extract_image_tail
from fedsilo.models.clip.loading import LoadedBackbone
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.simulation.client_data import ValidationImages


def phrases_of(methods: Iterable[Method]) -> list[str]:
    """Lists the texts whose token embeddings methods ask for.

    Args:
        methods: The methods of a run.

    Returns:
        The texts, each once.
    """
    return sorted({phrase for method in methods for phrase in method.phrases})


def reads_of(methods: Iterable[Method]) -> frozenset[str]:
    """Lists the columns that methods read.

    Args:
        methods: The methods of a run.

    Returns:
        Names of columns.
    """
    return frozenset().union(*(method.reads for method in methods))


def image_blocks_of(methods: Iterable[Method]) -> int | None:
    """Finds the first block of the image tower that a method runs itself.

    Args:
        methods: The methods of a run.

    Returns:
        The number of the block; None where no method runs one.
    """
    return min((m.needs_image_blocks for m in methods if m.needs_image_blocks is not None), default=None)


def frozen_model(
    loaded: LoadedBackbone,
    classes: Sequence[str],
    template: str,
    phrases: Sequence[str] = (),
    candidates: Candidates | None = None,
    image_blocks: int | None = None,
) -> FrozenModel:
    """Builds what clients need of a backbone for K classes.

    Args:
        loaded: The backbone.
        classes: Class names in label order.
        template: Hand-written prompt with `{}` for the class.
        phrases: Texts whose token embeddings are wanted as well.
        candidates: What scores are over; the classes by default.
        image_blocks: First block of the image tower that clients run themselves; None: none.

    Returns:
        The frozen model.

    Raises:
        BackboneError: The image tower has no such block.
    """
    words = {phrase: loaded.embed(phrase) for phrase in phrases}
    texts = zero_shot(loaded, classes, template)
    over = candidates or named(tuple(classes))
    tokens = loaded.class_tokens(over.texts)
    tail = None if image_blocks is None else extract_image_tail(loaded.images, image_blocks).to(loaded.device)
    names = {
        part: loaded.class_tokens(list(map(format_word, values)), ending="") for part, values in over.words.items()
    }
    return FrozenModel(loaded.text, tokens, loaded.scale, texts, over, loaded.device, words, tail, names)


@dataclass(frozen=True, slots=True)
class _ZeroShotScores:
    """Scores of the validation images by their hand-written prompts, batch by batch, each time it is read."""

    model: FrozenModel
    validation: ValidationImages | None
    size: int

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.validation is None:
            return
        labels, model = self.validation.labels, self.model
        for start in range(0, len(labels), self.size):
            chosen = np.arange(start, min(start + self.size, len(labels)))
            pooled = self.validation.images.batch(chosen, 0)[IMAGE].to(model.device)
            scores = model.score(pooled, model.zero_shot).float().cpu()
            require_scores(scores, chosen)
            yield scores, torch.from_numpy(np.array(labels[chosen], dtype=np.int64))


def gather_evidence(
    loaded: LoadedBackbone, model: FrozenModel, validation: ValidationImages | None, size: int
) -> CandidateEvidence:
    """Gathers what a task may ask before it limits the candidates; nothing is computed until it asks.

    Args:
        loaded: The backbone.
        model: The frozen model over all candidates.
        validation: The validation images, None where there are none.
        size: Images in a batch, >= 1.

    Returns:
        The evidence.
    """

    def encode(names: Sequence[str]) -> NDArray[np.float32]:
        texts = [name.replace("_", " ") for name in names]
        return np.asarray(normalize(loaded.encode_texts(texts, names), dim=-1).cpu().numpy())

    return CandidateEvidence(encode, _ZeroShotScores(model, validation, size))


def zero_shot(loaded: LoadedBackbone, classes: Sequence[str], template: str) -> torch.Tensor:
    """Encodes the hand-written prompt of each class.

    Args:
        loaded: The backbone.
        classes: K class names in label order.
        template: Hand-written prompt with `{}` for the class.

    Returns:
        (K, D) features of length 1.
    """
    texts = [template.replace("{}", name.replace("_", " ")) for name in classes]
    return normalize(loaded.encode_texts(texts, classes), dim=-1)
