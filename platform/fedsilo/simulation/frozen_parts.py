"""The frozen model that clients share, built from a loaded backbone for what the methods of a run read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch.nn.functional import normalize

from fedsilo.core import Candidates, Method
from fedsilo.core.batch import named
from fedsilo.models.clip.conversion import extract_image_tail
from fedsilo.models.clip.loading import LoadedBackbone
from fedsilo.models.prompts.frozen_model import FrozenModel


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
    names = {part: loaded.class_tokens(values) for part, values in over.words.items()}
    return FrozenModel(loaded.text, tokens, loaded.scale, texts, over, loaded.device, words, tail, names)


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
