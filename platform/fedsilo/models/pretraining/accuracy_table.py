"""Accuracy of the frozen backbone on emblems: zero-shot by domain, and of a linear probe as an upper bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from sklearn.linear_model import LogisticRegression

from fedsilo.data.emblems.gallery import Gallery, arrange
from fedsilo.data.emblems.words import CLASSES, DOMAINS, TEMPLATE
from fedsilo.models.pretraining.pretrain import to_pixels
from fedsilo.models.pretraining.towers import encode_images, encode_words

Features = NDArray[np.float32]
Flags = NDArray[np.bool_]

Spell = Callable[[Sequence[str]], torch.Tensor]
"""Sentences -> token numbers (b, t)."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of accuracies in [0, 1].

    Attributes:
        columns: "all", then the domains.
        rows: Accuracies of each row by column.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def text(self) -> str:
        """Returns the table as Markdown, in percent."""
        head = ["", *self.columns]
        lines = [head, ["---", *("---:" for _ in self.columns)]]
        lines += [[name, *(f"{100 * value:.1f}" for value in values)] for name, values in self.rows.items()]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure(model: CLIP, spell: Spell, seed: int = 0, each: tuple[int, int] = (12, 12)) -> Table:
    """Measures the backbone on emblems of the data set with this seed.

    Args:
        model: The model, in fp32.
        spell: open_clip's tokenizer.
        seed: Seed of the data set.
        each: Training and test pictures per class and domain.

    Returns:
        The table.
    """
    train, test = (
        arrange(len(CLASSES), DOMAINS, count, seed, f"emblems {split}")
        for count, split in zip(each, ("train", "test"), strict=True)
    )
    known, _ = _features(model, train)
    pooled, patches = _features(model, test)
    names = _names(model, spell)
    probe: Any = LogisticRegression(C=100.0, max_iter=2000).fit(known, train.column("label"))
    labels, domains = test.column("label"), test.column("domain")
    right = {
        "zero-shot": (pooled @ names.T).argmax(axis=1) == labels,
        "zero-shot, mean patch": (patches @ names.T).argmax(axis=1) == labels,
        "linear probe": probe.predict(pooled) == labels,
    }
    return Table(("all", *DOMAINS), {name: _by_domain(flags, domains) for name, flags in right.items()})


def _by_domain(right: Flags, domains: NDArray[np.int64]) -> tuple[float, ...]:
    return (float(right.mean()), *(float(right[domains == number].mean()) for number in range(len(DOMAINS))))


@torch.inference_mode()
def _features(model: CLIP, gallery: Gallery) -> tuple[Features, Features]:
    """Returns the pooled features and the mean of the patch tokens, each (n, d)."""
    pooled, patches = [], []
    for start in range(0, len(gallery), 128):
        drawn = [np.asarray(gallery(at)) for at in range(start, min(start + 128, len(gallery)))]
        first, tokens = encode_images(model, to_pixels(np.stack(drawn)))
        pooled.append(first.numpy())
        patches.append(tokens.mean(dim=1).numpy())
    return np.concatenate(pooled), np.concatenate(patches)


@torch.inference_mode()
def _names(model: CLIP, spell: Spell) -> Features:
    """Returns the text features of the classes in the hand-written prompt, (24, d)."""
    ids = spell([TEMPLATE.format(name) for name in CLASSES])
    no_vectors = torch.zeros(*ids.shape, model.token_embedding.embedding_dim)
    names: Features = encode_words(model, ids, no_vectors).numpy()
    return names
