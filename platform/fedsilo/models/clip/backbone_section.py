"""The scenario's `backbone` section. It imports a model library only when it has to look up a name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fedsilo.core.config_fields import key
from fedsilo.models.clip.model_names import RANDOM, SHIPPED

PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Backbone:
    """The frozen CLIP: name, weights, device and arithmetic."""

    name: str = key(
        SHIPPED,
        "The model: fedsilo-tiny, any open_clip name (ViT-B-16, RN50, ...), local-dir:FOLDER or hf-hub:ORG/REPO.",
    )
    pretrained: str = key(
        "",
        "The weights: an open_clip tag (openai, ...), a local checkpoint file, or random. "
        "Empty where they come with the name: fedsilo-tiny, local-dir:, hf-hub:.",
    )
    precision: str = key(
        "fp32",
        "Arithmetic of the image tower; its weights and the features stay fp32. Clients always "
        "train in fp32: text tower, prompts, gradients and optimizer.",
        *PRECISIONS,
    )
    tf32: bool = key(
        False,
        "Lets GPUs round the factors of fp32 products to TF32, in both towers and in training: faster, and other "
        "numbers. Set in every process, on or off; the CPU ignores it.",
    )
    pixel_mean: tuple[float, float, float] | None = key(
        None,
        "Subtracted from red, green and blue in [0, 1] before an image enters the tower; null: the values that the "
        "model was trained with. The papers' CIFAR experiments take the data set's own, [0.5071, 0.4865, 0.4409] of "
        "CIFAR-100.",
    )
    pixel_std: tuple[float, float, float] | None = key(
        None,
        "Divides the three, above 0; null: the values that the model was trained with. CIFAR-100 has "
        "[0.2673, 0.2564, 0.2762].",
    )
    device: str = key(
        "auto",
        "Where it runs: auto (a GPU if there is one), cpu, cuda, cuda:1, ... Ray actors use a GPU only if they get "
        "one: see actors.gpus_per_client.",
    )

    @property
    def pixel_keys(self) -> str:
        """Returns the given keys that scale pixels, with their values, for messages; "" where none is given."""
        given = {"pixel_mean": self.pixel_mean, "pixel_std": self.pixel_std}
        return " and ".join(f"backbone.{name}={list(values)}" for name, values in given.items() if values)

    def problems(self) -> list[str]:
        """Lists impossible values of the fields; uses no network and reads no weights."""
        found = []
        if self.precision not in PRECISIONS:
            found.append(f"precision: no {self.precision!r}. Allowed: {', '.join(PRECISIONS)}.")
        if not all(map(math.isfinite, self.pixel_mean or ())):
            found.append(f"pixel_mean: must be three finite numbers, got {list(self.pixel_mean or ())}.")
        if not all(math.isfinite(value) and value > 0 for value in self.pixel_std or ()):
            found.append(f"pixel_std: must be three finite numbers above 0, got {list(self.pixel_std or ())}.")
        if not _is_device(self.device):
            found.append(f"device: no {self.device!r}. Allowed: auto, cpu, cuda, cuda:0, ...")
        if self.name != SHIPPED or self.pretrained not in ("", RANDOM):
            from fedsilo.models.clip.catalogue import problems

            found += problems(self.name, self.pretrained)
        return found


def _is_device(text: str) -> bool:
    if text in ("auto", "cpu"):
        return True
    import torch

    try:
        return torch.device(text).type in ("cpu", "cuda", "mps", "xpu")
    except RuntimeError:
        return False
