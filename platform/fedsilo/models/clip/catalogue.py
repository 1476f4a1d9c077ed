"""The names of models and weights, and what is wrong with an unknown name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fedsilo.models.clip.model_names import RANDOM, SHIPPED
from fedsilo.models.clip.open_clip_tables import has_weights, list_weight_tags, read_configurations

LOCAL, HUB = "local-dir:", "hf-hub:"
CONFIG_FILE = "open_clip_config.json"

_CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_LISTED = 6
_READ_OUT = ("argmax", "eos")
_CUSTOM_BLOCK = ("qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc")


def list_model_names() -> tuple[str, ...]:
    """Returns all names that need neither a folder nor a repository, of models with a usable text tower."""
    return (SHIPPED, *(name for name, config in read_configurations().items() if not explain_refusal(config)))


def explain_refusal(config: Mapping[str, Any]) -> str:
    """Explains why a model cannot be used.

    Args:
        config: The model's open_clip configuration.

    Returns:
        The reason, as the end of a sentence; "" where the model can be used.
    """
    text = config["text_cfg"]
    if text.get("hf_model_name"):
        return "its text tower is a Hugging Face model"
    if text.get("embed_cls") or "multimodal_cfg" in config:
        return "its text tower is read out at a class embedding"
    if text.get("no_causal_mask"):
        return "its text tower is not causal"
    if text.get("pool_type", "argmax") not in _READ_OUT:
        return f"its text tower is pooled by {text['pool_type']!r}"
    if text.get("block_type", "default") != "default" or any(text.get(key) for key in _CUSTOM_BLOCK):
        return "its text tower has blocks of a special kind"
    return ""


def list_tags(name: str) -> tuple[str, ...]:
    """Lists open_clip's weight tags of a model.

    Args:
        name: The model's name.

    Returns:
        The tags; none for a name that open_clip does not ship.
    """
    return list_weight_tags(normalise_name(name))


def normalise_name(name: str) -> str:
    """Translates a name into open_clip's spelling: OpenAI's `ViT-B/16` is its `ViT-B-16`.

    Args:
        name: The model's name.

    Returns:
        The name as open_clip lists it.
    """
    return name.replace("/", "-")


def resolve_identifier(name: str) -> str:
    """Translates a model's name into the name that open_clip's factory takes.

    Args:
        name: The model's name.

    Returns:
        The name, a folder "local-dir:..." or a repository "hf-hub:...".
    """
    if name == SHIPPED:
        return f"{LOCAL}{Path(__file__).with_name(SHIPPED)}"
    return name if name.startswith((LOCAL, HUB)) else normalise_name(name)


def find_config(name: str) -> dict[str, Any] | None:
    """Finds a model's open_clip configuration.

    Args:
        name: The model's name.

    Returns:
        The configuration; None where it is unknown, unreadable or only on the hub.
    """
    known = resolve_identifier(name)
    if known.startswith(HUB):
        return None
    if not known.startswith(LOCAL):
        return read_configurations().get(known)
    try:
        content = json.loads(Path(known.removeprefix(LOCAL), CONFIG_FILE).read_text(encoding="utf-8"))
        return dict(content["model_cfg"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def problems(name: str, pretrained: str) -> list[str]:
    """Checks the names of a model and its weights.

    Args:
        name: The model's name.
        pretrained: The weights: a tag, a file, "random" or "".

    Returns:
        Lines "key: what is wrong. What is allowed."; none where both are right.
    """
    found = _name_problems(name)
    return found or _weights_problems(name, pretrained)


def _name_problems(name: str) -> list[str]:
    if name.startswith(HUB):
        return []
    config = find_config(name)
    if config is None and (name == SHIPPED or name.startswith(LOCAL)):
        folder = resolve_identifier(name).removeprefix(LOCAL)
        if name == SHIPPED:
            return [f"name: {name!r} is missing from the package. Install it again, or build it with `make backbone`."]
        return [f"name: {folder} holds no readable {CONFIG_FILE}. Give a folder that open_clip's factory can load."]
    if config is None:
        return [f"name: no {name!r}. {_nearest(normalise_name(name), list_model_names())}"]
    reason = explain_refusal(config)
    if not reason and config["text_cfg"].get("hf_tokenizer_name") and find_spec("transformers") is None:
        reason = "its tokenizer needs the package transformers, which is not installed"
    return (
        [f"name: {name!r} cannot be prompted: {reason}. Choose another model, for example ViT-B-16."] if reason else []
    )


def _weights_problems(name: str, pretrained: str) -> list[str]:
    if pretrained == RANDOM:
        return []
    carried = name == SHIPPED or name.startswith((LOCAL, HUB))
    if not pretrained:
        return [] if carried else [f"pretrained: {name!r} needs weights. {_choices(name)}"]
    if has_weights(normalise_name(name), pretrained) or Path(pretrained).is_file():
        return []
    if Path(pretrained).suffix in _CHECKPOINT_SUFFIXES or "/" in pretrained:
        return [f"pretrained: there is no file {pretrained!r}. Give the path of a checkpoint of {name!r}."]
    if carried:
        return [f"pretrained: no {pretrained!r} for {name!r}. Leave it empty, or give a checkpoint file or {RANDOM}."]
    return [f"pretrained: no {pretrained!r} for {name!r}. {_nearest(pretrained, list_tags(name))} {_choices(name)}"]


def _choices(name: str) -> str:
    known = list_tags(name)
    more = f", {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    listed = f"one of {', '.join(known[:_LISTED])}{more}; " if known else ""
    return f"Give {listed}a checkpoint file; or {RANDOM}."


def _nearest(wrong: str, right: Iterable[str]) -> str:
    near = get_close_matches(wrong.lower(), {word.lower(): word for word in right}, n=1, cutoff=0.5)
    words = {word.lower(): word for word in right}
    return f"Did you mean {words[near[0]]!r}?" if near else "Known are for example fedsilo-tiny, RN50 and ViT-B-16."
