"""Class names as token embeddings, computed once where the tokenizer is, so that clients need none.

A prompt for class k reads `[SOS] c_1 .. c_L name . [EOT]`. The tokens behind the context belong to the class; they are
found by tokenising `X X X X name.` and dropping the tokens of the placeholders, as CoOp does (arXiv:2109.01134); an
underscore in a name is a space.

Dimensions: K classes, R tokens of all classes together, P vectors of a soft name, W text width, T longest sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedsilo.core.errors import BackboneError

Tokenizer = Callable[..., Tensor]
"""open_clip's tokenizers: tokenizer(texts, context_length=T) -> (n, T) int64 ids, padded."""

_PLACEHOLDERS = 4
SHOWN = 60
"""Most characters of a class name in a message."""

ROOM = 512
"""Length for tokenising texts that may be too long: nothing is cut off silently."""


@dataclass(frozen=True, eq=False, slots=True)
class ClassTokens:
    """The tokens of every class behind the context, embedded, without positions.

    Attributes:
        embeddings: (R, W) tokens of class 0, then class 1, ...; name, full stop, end-of-text; nothing is padded.
        lengths: K numbers, tokens of each class, >= 1; sums to R.
        sos: (W,) the start token that comes before the context.
        names: K numbers, how many of each class's tokens are the name; the full stop and the end-of-text follow.
    """

    embeddings: Tensor
    lengths: tuple[int, ...]
    sos: Tensor
    names: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    def tensors(self) -> dict[str, Tensor]:
        """Returns all tensors by name, for another process."""
        numbers = {"lengths": torch.tensor(self.lengths), "names": torch.tensor(self.names)}
        return {"embeddings": self.embeddings, "sos": self.sos, **numbers}

    @property
    def longest(self) -> int:
        """Returns the number of the class with the most tokens."""
        return max(range(len(self.lengths)), key=self.lengths.__getitem__)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> ClassTokens:
        """Builds the tokens from their tensors, without a copy of the embeddings.

        Args:
            tensors: What `tensors` returned.

        Returns:
            The tokens.
        """
        lengths, names = (tuple(tensors[key].tolist()) for key in ("lengths", "names"))
        return cls(tensors["embeddings"], lengths, tensors["sos"], names)

    def first(self, count: int) -> ClassTokens:
        """Selects the tokens of the first classes.

        Args:
            count: Number of classes, in [1, K].

        Returns:
            Their tokens, without a copy.
        """
        rows = sum(self.lengths[:count])
        return ClassTokens(self.embeddings[:rows], self.lengths[:count], self.sos, self.names[:count])

    def split(self, count: int) -> list[ClassTokens]:
        """Splits the tokens into those of consecutive classes.

        Args:
            count: Classes in each part, >= 1; the last part may have fewer.

        Returns:
            The parts in order, without a copy.
        """
        starts = range(0, len(self), count)
        rows = [sum(self.lengths[start : start + count]) for start in starts]
        return [
            ClassTokens(part, self.lengths[start : start + count], self.sos, self.names[start : start + count])
            for start, part in zip(starts, torch.split(self.embeddings, rows), strict=True)
        ]

    def with_embeddings(self, embeddings: Tensor) -> ClassTokens:
        """Replaces the embeddings of the same tokens, for soft tokens; gradients flow to them.

        Args:
            embeddings: (R, W).

        Returns:
            The tokens with these embeddings.

        Raises:
            BackboneError: The embeddings have another shape.
        """
        if embeddings.shape != self.embeddings.shape:
            raise BackboneError(
                f"class tokens: {tuple(self.embeddings.shape)} embeddings cannot be replaced by "
                f"{tuple(embeddings.shape)}. Give one vector for each token."
            )
        return replace(self, embeddings=embeddings)

    def with_words(self, words: Tensor) -> ClassTokens:
        """Replaces the names by vectors, for soft tokens; gradients flow to them.

        The full stop and the end-of-text that follow a name stay.

        Source: an attribute and an object as vectors, Nayak et al., "Learning to Compose Soft Prompts for Compositional
        Zero-Shot Learning", ICLR 2023, arXiv:2204.03574.

        Args:
            words: (K, P, W), P vectors for each class.

        Returns:
            The tokens with these names.

        Raises:
            BackboneError: There are vectors for another number of classes, or of another width.
        """
        if words.dim() != 3 or (words.shape[0], words.shape[2]) != (len(self), self.embeddings.shape[1]):
            raise BackboneError(
                f"class tokens: {len(self)} classes of width {self.embeddings.shape[1]} cannot have words of shape "
                f"{tuple(words.shape)}. Give (classes, words, width)."
            )
        own = torch.split(self.embeddings, list(self.lengths))
        endings = [tokens[name:] for tokens, name in zip(own, self.names, strict=True)]
        embeddings = torch.cat([rows for word, ending in zip(words, endings, strict=True) for rows in (word, ending)])
        lengths = tuple(words.shape[1] + len(ending) for ending in endings)
        return ClassTokens(embeddings, lengths, self.sos, (words.shape[1],) * len(self))

    def to(self, device: str | torch.device) -> ClassTokens:
        """Copies the tokens to a device.

        Args:
            device: A torch device, for example "cuda:0".

        Returns:
            The tokens on the device.
        """
        return ClassTokens(self.embeddings.to(device), self.lengths, self.sos.to(device), self.names)


def format_name(name: str) -> str:
    """Formats a class name for a prompt.

    Args:
        name: A class name of the data set.

    Returns:
        The name with spaces in place of underscores.
    """
    return name.replace("_", " ")


def format_word(word: str) -> str:
    """Formats the name of an attribute or an object for a prompt.

    Args:
        word: A name of the data set, for example "Faux.Leather".

    Returns:
        The name in lower case, with spaces in place of full stops and underscores.
    """
    return format_name(word).replace(".", " ").lower()


def describe_class(number: int, name: str) -> str:
    """Names a class in a message.

    Args:
        number: Number of the class.
        name: Its name.

    Returns:
        The number, and the name or its first `SHOWN` characters.
    """
    return f"class {number} ('{name if len(name) <= SHOWN else name[:SHOWN] + '...'}')"


def find_ends(ids: Tensor, end_token: int | None) -> Tensor:
    """Finds the position at which each row of token ids is read out.

    Args:
        ids: (n, T) token ids.
        end_token: Id of the token read out, at its first occurrence; None: the highest id, as in OpenAI's CLIP.

    Returns:
        (n,) positions.
    """
    return ids.argmax(dim=1) if end_token is None else (ids == end_token).int().argmax(dim=1)


def embed_class_names(
    names: Sequence[str],
    tokenizer: Tokenizer,
    embedding: Tensor,
    end_token: int | None,
    context_length: int,
    ending: str = ".",
) -> ClassTokens:
    """Tokenises class names and embeds their tokens.

    Args:
        names: K class names, in label order.
        tokenizer: The model's tokenizer.
        embedding: (vocabulary, W) the model's token embedding.
        end_token: As in `find_ends`.
        context_length: Longest sequence of the text tower, T.
        ending: What follows a name. A full stop may join a name's own last sign in one token ("shirt!."), so names
            whose tokens are read alone have none.

    Returns:
        The tokens of all classes.

    Raises:
        BackboneError: There is no name, a name leaves no room for a context, or the tokenizer does not put one start
            token in front and one token per placeholder.
    """
    if not names:
        raise BackboneError("class names: there are none. Give at least one class.")
    texts = [f"{'X ' * _PLACEHOLDERS}{format_name(name)}{ending}" for name in names]
    ids = tokenizer(texts, context_length=ROOM)
    head, stops = ids[:, : 1 + _PLACEHOLDERS], find_ends(ids, end_token)
    if not _plain(head):
        raise BackboneError(
            "backbone.name: its tokenizer does not begin with one start token and one token per word, which learned "
            "contexts need. Choose a model with CLIP's own tokenizer."
        )
    own = [row[1 + _PLACEHOLDERS : int(stop) + 1] for row, stop in zip(ids, stops, strict=True)]
    for number, (name, tokens) in enumerate(zip(names, own, strict=True)):
        if len(tokens) + 2 > context_length:
            raise BackboneError(
                f"{describe_class(number, name)}: its name has {len(tokens)} tokens, at most {context_length - 2} "
                "leave room for a context. Shorten it."
            )
    bare = find_ends(tokenizer([format_name(name) for name in names], context_length=ROOM), end_token)
    own_names = tuple(min(int(stop) - 1, len(tokens) - 1) for stop, tokens in zip(bare, own, strict=True))
    lengths = tuple(len(tokens) for tokens in own)
    return ClassTokens(embedding[torch.cat(own)], lengths, embedding[ids[0, 0]].clone(), own_names)


def _plain(head: Tensor) -> bool:
    same_in_all_rows = bool((head == head[0]).all())
    placeholders = head[0, 1:]
    return same_in_all_rows and bool((placeholders == placeholders[0]).all()) and bool(head[0, 0] != placeholders[0])
