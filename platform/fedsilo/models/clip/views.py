"""Views of an image: preprocessed or augmented inputs of the image tower.

View 0 is the model's own test preprocessing. View v >= 1 is a random augmentation as CoOp trains with
(arXiv:2109.01134): a crop of 8 to 100 % of the area and 3:4 to 4:3 in shape, resized bicubically, mirrored half of the
time. Its draws depend only on (seed, image, v), so the same view has the same pixels everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pixels

from fedsilo.core.seeds import numpy_generator

AREA = (0.08, 1.0)
SHAPE = (3 / 4, 4 / 3)
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes the tower's input.

    Attributes:
        height: Height of the input, pixels.
        width: Width of the input, pixels.
        mean: Subtracted from the three channels.
        std: Divides the three channels.
        interpolation: "bicubic" or "bilinear", for view 0.
        resize_mode: "shortest", "longest" or "squash", for view 0.
        fill_color: Grey level of padding, for view 0.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill_color: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Preprocessing:
        """Reads the preprocessing that open_clip attached to an image tower.

        Args:
            config: open_clip's `preprocess_cfg`.

        Returns:
            The preprocessing.
        """
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else (size[-2], size[-1])
        return cls(
            int(height),
            int(width),
            tuple(config["mean"]),
            tuple(config["std"]),
            str(config["interpolation"]),
            str(config["resize_mode"]),
            int(config["fill_color"]),
        )

    def view(self, image: Image.Image, view: int, digest: str, seed: int) -> Tensor:
        """Computes one view.

        Args:
            image: RGB.
            view: 0 for the plain view, else the number of the augmentation.
            digest: Identifies the image.
            seed: The scenario's seed.

        Returns:
            (3, height, width), float32.
        """
        if view == 0:
            return self.plain(image)
        return self.augment(image, numpy_generator(seed, f"augment {digest}", step=view))

    def plain(self, image: Image.Image) -> Tensor:
        """Applies the model's own test preprocessing.

        Args:
            image: RGB.

        Returns:
            (3, height, width), float32.
        """
        prepared: Tensor = _plain(self)(image)
        return prepared

    def augment(self, image: Image.Image, generator: np.random.Generator) -> Tensor:
        """Crops the image at random and mirrors it half of the time.

        Args:
            image: RGB.
            generator: Source of the draws.

        Returns:
            (3, height, width), float32.
        """
        top, left, height, width = _crop(image.height, image.width, generator)
        size = [self.height, self.width]
        cut = pixels.resized_crop(image, top, left, height, width, size, InterpolationMode.BICUBIC)
        if generator.random() < 0.5:
            cut = pixels.hflip(cut)
        normal: Tensor = pixels.normalize(pixels.to_tensor(cut), list(self.mean), list(self.std))
        return normal


def _crop(height: int, width: int, generator: np.random.Generator) -> tuple[int, int, int, int]:
    for _ in range(_ATTEMPTS):
        area = height * width * generator.uniform(*AREA)
        shape = math.exp(generator.uniform(math.log(SHAPE[0]), math.log(SHAPE[1])))
        cut_width, cut_height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < cut_width <= width and 0 < cut_height <= height:
            top = int(generator.integers(0, height - cut_height + 1))
            left = int(generator.integers(0, width - cut_width + 1))
            return top, left, cut_height, cut_width
    # No crop fits a very long image: take its middle, with the nearest possible shape.
    cut_width = min(width, max(1, round(height * SHAPE[1])))
    cut_height = min(height, max(1, round(width / SHAPE[0])))
    return (height - cut_height) // 2, (width - cut_width) // 2, cut_height, cut_width


@lru_cache(maxsize=8)
def _plain(preprocessing: Preprocessing) -> Any:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(
        size=(preprocessing.height, preprocessing.width),
        mean=preprocessing.mean,
        std=preprocessing.std,
        interpolation=preprocessing.interpolation,
        resize_mode=preprocessing.resize_mode,
        fill_color=preprocessing.fill_color,
    )
    return image_transform_v2(config, is_train=False)
