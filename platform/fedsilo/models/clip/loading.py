"""Loading of a scenario's frozen CLIP: image tower, text tower, tokenizer, temperature, fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from fedsilo.core.errors import BackboneError, ResourceError
from fedsilo.core.finiteness import find_bad_rows, find_fault
from fedsilo.models.clip.backbone_section import Backbone
from fedsilo.models.clip.catalogue import find_config, list_model_names
from fedsilo.models.clip.class_tokens import ROOM, ClassTokens, Tokenizer, describe_class, embed_class_names, find_ends
from fedsilo.models.clip.conversion import extract_text_tower
from fedsilo.models.clip.distinct_features import are_alike, describe_zeros
from fedsilo.models.clip.image_encoder import ImageEncoder
from fedsilo.models.clip.precision import use_tf32
from fedsilo.models.clip.text_tower import AT_ONCE, TextTower, encode_sequences
from fedsilo.models.clip.views import Preprocessing
from fedsilo.models.clip.weights import create

__all__ = ["Backbone", "LoadedBackbone", "choose_device", "list_model_names", "load"]

_PROBES = ("a photo of a cat.", "x")
_TOLERANCE = 1e-4
"""Largest relative error of the fast tower against open_clip's path at loading; rounding stays below 1e-5."""

LARGEST_SCALE = 1e4
"""Largest accepted inverse temperature: far more than CLIP's 100, far less than makes losses infinite."""


@dataclass(frozen=True, eq=False, slots=True)
class LoadedBackbone:
    """A frozen CLIP.

    Attributes:
        section: The scenario's section.
        images: The image tower with its preprocessing.
        text: The text tower.
        tokenizer: The model's tokenizer.
        embedding: (vocabulary, W) the model's token embedding, on the CPU.
        scale: exp(logit_scale), the inverse temperature.
        fingerprint: SHA-256 over the weights and the configuration, in hexadecimal.
        device: Device of both towers.
    """

    section: Backbone
    images: ImageEncoder
    text: TextTower
    tokenizer: Tokenizer
    embedding: Tensor
    scale: float
    fingerprint: str
    device: str

    def class_tokens(self, names: Sequence[str], ending: str = ".") -> ClassTokens:
        """Tokenises class names and embeds their tokens.

        Args:
            names: K class names, in label order.
            ending: What follows a name.

        Returns:
            The tokens, on the backbone's device.

        Raises:
            BackboneError: A name is too long, or there is none.
        """
        meta = self.text.meta
        tokens = embed_class_names(names, self.tokenizer, self.embedding, meta.end_token, meta.context_length, ending)
        return tokens.to(self.device)

    def embed(self, text: str) -> Tensor:
        """Embeds the tokens of a text, without start and end.

        Args:
            text: The text.

        Returns:
            (n, W) token embeddings, on the backbone's device.
        """
        ids = self.tokenizer([text], context_length=self.text.meta.context_length)
        stop = int(find_ends(ids, self.text.meta.end_token)[0])
        return self.embedding[ids[0, 1:stop]].clone().to(self.device)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], classes: Sequence[str] = ()) -> Tensor:
        """Encodes whole texts.

        Args:
            texts: Any n texts.
            classes: Name of the class of each text, for messages; empty for texts about none.

        Returns:
            (n, D), not normalised.

        Raises:
            BackboneError: A text is too long, or its feature is not finite.
        """
        ids = self.tokenizer(list(texts), context_length=ROOM)
        stops = find_ends(ids, self.text.meta.end_token)
        longest, most = int(stops.argmax()), self.text.meta.context_length
        if int(stops[longest]) >= most:
            text = shorten(texts[longest], 80, placeholder=" ...")
            about = f"{describe_class(longest, classes[longest])}: " if classes else ""
            raise BackboneError(
                f"{about}hand-written prompt '{text}': has {int(stops[longest]) + 1} tokens, the text tower takes "
                f"{most}. Shorten the class name or the template."
            )
        ids = ids[:, : int(stops.max()) + 1]
        features = torch.cat(
            [
                encode_sequences(self.text, self.embedding[some].to(self.device), ends.to(self.device))
                for some, ends in zip(torch.split(ids, AT_ONCE), torch.split(stops, AT_ONCE), strict=True)
            ]
        )
        bad = find_bad_rows(features)
        if bad:
            raise BackboneError(
                f"features: text '{shorten(texts[bad[0]], 80, placeholder=' ...')}': the text tower of "
                f"{self.section.name} gives it a feature that is not finite or too large. Use other weights: "
                "backbone.pretrained."
            )
        return features


def load(backbone: Backbone, seed: int = 0) -> LoadedBackbone:
    """Loads the backbone of a scenario.

    Args:
        backbone: The section.
        seed: Seed of the weights of `pretrained: random`; used for nothing else.

    Returns:
        The backbone, on its device.

    Raises:
        BackboneError: The name, the weights or the text tower cannot be used, or the weights cannot be fetched.
        ResourceError: The device does not exist here.
    """
    found = backbone.problems()
    if found:
        raise BackboneError(f"backbone.{found[0]}")
    device = choose_device(backbone.device)
    model, tokenizer = create(backbone, seed)
    text = extract_text_tower(model)
    scale = _scale_of(model, backbone)
    fingerprint = _fingerprint(model, backbone.name)
    preprocessing = _preprocessing(model.visual.preprocess_cfg, backbone)
    loaded = LoadedBackbone(
        section=backbone,
        images=ImageEncoder(
            model.visual.to(device),
            preprocessing,
            fingerprint,
            backbone.precision,
            device,
            backbone.tf32,
            backbone.name,
            backbone.pixel_keys,
        ),
        text=text.to(device),
        tokenizer=tokenizer,
        embedding=getattr(model, "text", model).token_embedding.weight.detach(),
        scale=scale,
        fingerprint=fingerprint,
        device=device,
    )
    with use_tf32(False):  # _verify compares two computations of the same features
        _verify(model.to(device), loaded)
    return loaded


def _preprocessing(config: Mapping[str, Any], backbone: Backbone) -> Preprocessing:
    """Returns the model's own preprocessing, with the section's mean and deviation where it gives them."""
    own = {"mean": backbone.pixel_mean, "std": backbone.pixel_std}
    return Preprocessing.of({**config, **{name: values for name, values in own.items() if values}})


def choose_device(asked: str) -> str:
    """Chooses the device of this process.

    Args:
        asked: The value of `backbone.device`.

    Returns:
        "cuda", "cpu" or the given device.

    Raises:
        ResourceError: The device does not exist here.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    # What torch says of "cuda" without a driver, of "cuda" or "xpu" if it was built without, and of "mps" elsewhere.
    except (RuntimeError, AssertionError) as error:
        raise ResourceError(f"backbone.device: there is no {asked!r} here. Use auto or cpu.") from error
    return asked


def _scale_of(model: Any, backbone: Backbone) -> float:
    """Returns the inverse temperature, after a check that the weights are finite and the temperature is usable.

    Raises:
        BackboneError: A weight is not finite, or the temperature is out of all proportion.
    """
    name = f"{backbone.name} ({backbone.pretrained})" if backbone.pretrained else backbone.name
    statistics = {key: buffer for key, buffer in model.named_buffers() if "running" in key}  # of batch norms
    fault = find_fault(dict(model.named_parameters()) | statistics)
    if fault:
        raise BackboneError(
            f"backbone.pretrained: in the weights of {name}, {fault}. Use others, or download them again."
        )
    logit = float(model.logit_scale)
    scale = math.exp(min(logit, 700.0))
    if not 0 < scale <= LARGEST_SCALE:
        raise BackboneError(
            f"backbone.pretrained: logit_scale of {name} is {logit:g}, which multiplies cosines by {scale:.3g}; "
            f"at most {LARGEST_SCALE:g} is allowed, CLIP's own is at most 100. Use other weights."
        )
    return float(model.logit_scale.exp())


def _fingerprint(model: nn.Module, name: str) -> str:
    digest = hashlib.sha256()
    kinds = sorted({type(module).__name__ for module in model.modules()})
    digest.update(json.dumps([find_config(name), kinds], sort_keys=True).encode())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


@torch.no_grad()
def _verify(model: Any, loaded: LoadedBackbone) -> None:
    ids = loaded.tokenizer(list(_PROBES), context_length=loaded.text.meta.context_length)
    expected = model.encode_text(ids.to(loaded.device))
    if are_alike(expected):
        raise BackboneError(
            f"backbone.pretrained: the text tower of {loaded.section.name} gives different texts the same "
            f"feature{describe_zeros(model)}: classes cannot be distinguished. Use other weights."
        )
    error = float((loaded.encode_texts(_PROBES) - expected).norm() / expected.norm())
    if not error < _TOLERANCE:
        raise BackboneError(
            f"backbone.name: the text tower of {loaded.section.name!r} does not agree with the fast path "
            f"(relative error {error:.1e}). Choose another model, for example ViT-B-16, and report this."
        )
