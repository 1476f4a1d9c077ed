"""Creates an open_clip model with the wanted weights, or refuses in one line.

open_clip only warns in cases that are refused here: weights that it does not find, which leave the model random, and
weights that were trained with another activation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub.utils
import open_clip
import torch
from torch import nn

from fedsilo.core.errors import BackboneError
from fedsilo.core.seeds import derive
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.catalogue import HUB, LOCAL, normalise_name, resolve_identifier
from fedsilo.models.clip.class_tokens import Tokenizer
from fedsilo.models.clip.model_names import RANDOM, SHIPPED

MERGES_FILE = "merges.txt.gz"
"""File of the tokenizer's merges in the folder of a model with its own vocabulary."""

_HUB_PATIENCE_S = 5.0
_REASON_CHARACTERS = 200


def create(backbone: Backbone, seed: int) -> tuple[Any, Tokenizer]:
    """Creates the model, on the CPU in fp32, frozen and in evaluation mode.

    Args:
        backbone: The section; `problems` has found nothing in it.
        seed: Seed of random weights.

    Returns:
        The model and its tokenizer.

    Raises:
        BackboneError: The weights or the tokenizer cannot be fetched or read, or do not fit the name.
    """
    name, pretrained = resolve_identifier(backbone.name), backbone.pretrained
    with _seed_weights(seed), _silence_logging(), _avoid_silent_hub(name, pretrained):
        if pretrained == RANDOM:
            model = _build(backbone, load_weights=False)
        elif not pretrained:
            model = _build(backbone, require_pretrained=True)
        elif open_clip.is_pretrained_cfg(name, pretrained):
            model = _build_tagged(backbone)
        else:
            model = _build_from_file(backbone)
        return model.eval().requires_grad_(False), _tokenizer(backbone.name)


def _build(backbone: Backbone, **options: Any) -> nn.Module:
    try:
        # A text tower from the hub is refused later, so its weights are not fetched.
        model: nn.Module = open_clip.create_model(resolve_identifier(backbone.name), pretrained_text=False, **options)
    except Exception as error:  # open_clip passes on errors of any library
        raise BackboneError(f"backbone.name: {backbone.name!r} could not be {_remedy(backbone.name, error)}") from error
    return model


def _remedy(name: str, error: Exception) -> str:
    if name == SHIPPED:
        return f"loaded ({_reason(error)}). Its weights belong to the package: install it again, or `make backbone`."
    if name.startswith(HUB):
        return f"fetched ({_reason(error)}). Connect to the model hub once, or give a folder as local-dir:FOLDER."
    return f"loaded ({_reason(error)}). Check the folder or the name."


def _build_tagged(backbone: Backbone) -> nn.Module:
    name, tag = normalise_name(backbone.name), backbone.pretrained
    facts = open_clip.get_pretrained_cfg(name, tag)
    try:
        open_clip.download_pretrained(facts)
    except Exception as error:  # open_clip passes on errors of any library
        raise BackboneError(
            f"backbone.pretrained: the weights of {backbone.name}/{tag} could not be fetched ({_reason(error)}). "
            "Connect to the model hub once, or give a local checkpoint file as backbone.pretrained."
        ) from error
    # The activation belongs to the weights: ViT-B-16 with OpenAI's weights computes QuickGELU.
    return _build(backbone, pretrained=tag, force_quick_gelu=bool(facts.get("quick_gelu")))


def _build_from_file(backbone: Backbone) -> nn.Module:
    model = _build(backbone, load_weights=False)
    try:
        open_clip.load_checkpoint(model, backbone.pretrained, strict=True, weights_only=True)
    except Exception as error:  # errors of safetensors, pickle, zip and shapes
        raise BackboneError(
            f"backbone.pretrained: {backbone.pretrained!r} is no checkpoint of {backbone.name!r} ({_reason(error)}). "
            "Give safetensors or a torch file of weights only, of this very architecture."
        ) from error
    return model


def _tokenizer(name: str) -> Tokenizer:
    known = resolve_identifier(name)
    merges = Path(known.removeprefix(LOCAL), MERGES_FILE) if known.startswith(LOCAL) else None
    options = {"bpe_path": str(merges)} if merges is not None and merges.is_file() else {}
    try:
        tokenizer: Tokenizer = open_clip.get_tokenizer(known, **options)
    except Exception as error:  # open_clip passes on errors of any library
        raise BackboneError(
            f"backbone.name: the tokenizer of {name!r} could not be loaded ({_reason(error)}). "
            "Choose a model with CLIP's own."
        ) from error
    return tokenizer


def _reason(error: Exception) -> str:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "not in the local cache, and the model hub does not answer"
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _REASON_CHARACTERS else f"{words[:_REASON_CHARACTERS]}..."


@contextmanager
def _seed_weights(seed: int) -> Iterator[None]:
    # Models draw their initial weights from torch's global generator only: set it and restore it.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "backbone"))
        yield


@contextmanager
def _silence_logging() -> Iterator[None]:
    # open_clip logs through the root logger, which would install a handler there; errors that matter are raised.
    root, muffler, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(muffler)
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(muffler)


@contextmanager
def _avoid_silent_hub(name: str, pretrained: str) -> Iterator[None]:
    # Six attempts with pauses for each of several files take a minute where there is no network. One short question
    # first: a hub that does not answer counts as offline, so that earlier downloads are used at once.
    constants: Any = huggingface_hub.constants
    before = constants.HF_HUB_OFFLINE
    asked = name.startswith(HUB) or open_clip.is_pretrained_cfg(name, pretrained)
    constants.HF_HUB_OFFLINE = before or (asked and not name.startswith(LOCAL) and not _answers())
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers() -> bool:
    hub: Any = huggingface_hub.utils
    try:
        hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=_HUB_PATIENCE_S)
    except Exception:  # errors of any HTTP library
        return False
    return True
