"""The tiny model and its two encoders, written out so that training sees patch tokens and vectors among the words.

Dimensions: b pictures or captions, p patches, t longest caption, w width of a word's vector, d joint width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import ResidualAttentionBlock
from safetensors.torch import load_file, save
from torch import Tensor

from fedsilo.models.pretraining.captions import VECTOR, list_caption_words
from fedsilo.models.pretraining.vocabulary import count_tokens, learn_merges, write_merges

MEAN = (0.55, 0.53, 0.55)
STD = (0.33, 0.31, 0.28)

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
MERGES = "merges.txt.gz"


def write_folder(folder: Path) -> None:
    """Writes the description of the model, without weights: its configuration and its tokenizer's merges.

    Args:
        folder: The model's folder, created here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(list_caption_words())
    write_merges(folder / MERGES, merges)
    vision = {"image_size": 64, "patch_size": 8, "width": 128, "layers": 4, "head_width": 32, "mlp_ratio": 2.0}
    text = {"context_length": 77, "width": 128, "heads": 4, "layers": 3, "vocab_size": count_tokens(merges)}
    preprocess: dict[str, object] = {"size": [64, 64], "mode": "RGB", "mean": MEAN, "std": STD}
    preprocess |= {"interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0}
    config = {"model_cfg": {"embed_dim": 128, "vision_cfg": vision, "text_cfg": text}, "preprocess_cfg": preprocess}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def new_model(folder: Path, seed: int) -> CLIP:
    """Builds the model that the folder describes, with fresh weights.

    Args:
        folder: The model's folder.
        seed: Seed of the weights.

    Returns:
        The model, the same for the same seed.
    """
    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    with torch.random.fork_rng():
        # open_clip initialises from torch's global generator, which is restored here.
        torch.manual_seed(seed)
        return CLIP(**config)


def read_model(folder: Path) -> CLIP:
    """Reads the model with the weights in the folder, in fp32.

    Args:
        folder: The model's folder.

    Returns:
        The model, in evaluation mode.
    """
    model = new_model(folder, 0)
    weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    model.load_state_dict(weights)
    return model.eval()


def write_weights(folder: Path, model: CLIP) -> None:
    """Writes the weights in fp16: half the file, the same accuracy.

    Args:
        folder: The model's folder.
        model: The model, in fp32.
    """
    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(state))


def read_tokenizer(folder: Path) -> SimpleTokenizer:
    """Reads the tokenizer with the folder's merges.

    Args:
        folder: The model's folder.

    Returns:
        The tokenizer.
    """
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / MERGES))
    assert isinstance(tokenizer, SimpleTokenizer)
    return tokenizer


def encode_images(model: CLIP, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Encodes pictures.

    Args:
        model: The model, in fp32.
        pixels: (b, 3, 64, 64), normalised.

    Returns:
        The pooled features (b, d) and all patch tokens (b, p, d), each of length 1.
    """
    tower = model.visual
    states = tower._embeds(pixels)
    for block in tower.transformer.resblocks:
        states = _block(block, states, causal=False)
    tokens = tower.ln_post(states) @ tower.proj
    tokens = torch.nn.functional.normalize(tokens, dim=-1)
    return tokens[:, 0], tokens[:, 1:]


def encode_words(model: CLIP, ids: Tensor, vectors: Tensor) -> Tensor:
    """Encodes captions of words and vectors.

    Args:
        model: The model, in fp32.
        ids: (b, t) token numbers, the end of text being the highest; -1 at the place of a vector.
        vectors: (b, t, w) vectors at these places.

    Returns:
        Text features (b, d) of length 1.
    """
    words = model.token_embedding(ids.clamp(min=0))
    words = torch.where((ids < 0)[..., None], vectors, words) + model.positional_embedding[: ids.shape[1]]
    for block in model.transformer.resblocks:
        words = _block(block, words, causal=True)
    last = model.ln_final(words[torch.arange(len(ids)), ids.argmax(dim=1)])
    return torch.nn.functional.normalize(last @ model.text_projection, dim=-1)


def _block(block: ResidualAttentionBlock, states: Tensor, causal: bool) -> Tensor:
    """Returns one transformer block's output (b, t, w): open_clip's arithmetic without its transposed copies."""
    batch, length, width = states.shape
    attention = block.attn
    mixed = torch.nn.functional.linear(block.ln_1(states), attention.in_proj_weight, attention.in_proj_bias)
    heads = mixed.view(batch, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    seen = torch.nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=causal)
    states = states + attention.out_proj(seen.transpose(1, 2).reshape(batch, length, width))
    result: Tensor = states + block.mlp(block.ln_2(states))
    return result


class Speller:
    """Converts captions into token numbers word by word; the tokenizer gives the same for the sentence."""

    def __init__(self, tokenizer: SimpleTokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {VECTOR: [-1]}

    def spell(self, captions: Sequence[Sequence[str]]) -> Tensor:
        """Converts captions into token numbers.

        Args:
            captions: Words of each caption.

        Returns:
            (b, t) with start and end, -1 for vectors, 0 after the end; t is the longest.
        """
        rows = [self._row(caption) for caption in captions]
        table = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        for place, row in enumerate(rows):
            table[place, : len(row)] = torch.tensor(row)
        return table

    def _row(self, words: Sequence[str]) -> list[int]:
        for word in words:
            if word not in self._known:
                self._known[word] = list(self._tokenizer.encode(word))
        middle = [number for word in words for number in self._known[word]]
        return [self._tokenizer.sot_token_id, *middle, self._tokenizer.eot_token_id]
