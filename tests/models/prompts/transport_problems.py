"""Similarities of patches and prompts, and how plans are compared."""

import torch
from torch import Tensor


def cosines(*shape: int, spread: float = 0.1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (0.2 + spread * torch.randn(*shape, generator=generator)).clamp(-1, 1)


def close(found: Tensor, expected: Tensor, share: float = 2e-4) -> bool:
    """Whether plans agree to so much of a patch's mass, everywhere."""
    return bool((found.double() - expected.double()).abs().max() * expected.shape[-2] < share)


def drawn(prompts: int, patches: int, spread: float = 0.02) -> Tensor:
    """Problems (N, P, M) as trained prompts pose them: prompts that are half as far apart as patches are."""
    generator = torch.Generator().manual_seed(0)
    common = 0.2 + spread * torch.randn(1, 60, patches, generator=generator)
    return common + spread / 2 * torch.randn(prompts, 60, patches, generator=generator)
