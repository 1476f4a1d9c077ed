"""FedOTP's and DP-FPL's local steps the plain way: what the released trainers do, written to be read, not to be fast.

Every step encodes its images online with the image tower and every class name padded to 77 tokens with the text
tower; FedOTP's transport multiplies with diagonal matrices and stops on the mean over the whole batch (at 1e-5, not at
the released 1e-3, where plans still depend on the stop and numbers could not be compared); clients come one after the
other. Where the released code has bugs (algorithm notes in the methods' docstrings), this has not.

Dimensions: B images, M patches, N prompts, K classes, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from fedsilo.core.seeds import torch_generator

RANK = 8
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False, slots=True)
class PlainModel:
    """An open_clip model and the token ids (K, 77) of `X X ... X name.` for every class."""

    model: Any
    ids: Tensor

    def text(self, context: Tensor) -> Tensor:
        """Returns normalised class features (K, D) for a context (L, W)."""
        model, length = self.model, len(context)
        tokens = model.token_embedding(self.ids)
        rows = torch.cat([tokens[:, :1], context.expand(len(tokens), -1, -1), tokens[:, 1 + length :]], dim=1)
        rows = model.ln_final(model.transformer(rows + model.positional_embedding, attn_mask=model.attn_mask))
        return normalize(rows[torch.arange(len(rows)), self.ids.argmax(dim=1)] @ model.text_projection, dim=-1)

    @torch.no_grad()
    def image(self, images: Tensor) -> Tensor:
        """Returns all tokens of the image tower (B, 1 + M, D), pooled first, not normalised."""
        tower, seen = self.model.visual, []
        hook = tower.transformer.register_forward_hook(lambda module, given, output: seen.append(output))
        tower(images)
        hook.remove()
        return tower.ln_post(seen[0]) @ tower.proj

    @property
    def scale(self) -> float:
        return float(self.model.logit_scale.exp())


@dataclass(frozen=True, eq=False, slots=True)
class PlainStep:
    """Logits (B, K) and the gradients of one step by name."""

    logits: Tensor
    gradients: dict[str, Tensor]


def fedotp_step(at: PlainModel, shared: Tensor, private: Tensor, images: Tensor, labels: Tensor) -> PlainStep:
    """One FedOTP step: two contexts, all patches, unbalanced transport (gamma 0.8, epsilon 0.1)."""
    contexts = [context.clone().requires_grad_() for context in (shared, private)]
    patches = normalize(at.image(images)[:, 1:], dim=-1)
    texts = torch.stack([at.text(context) for context in contexts])
    similarity = torch.einsum("bmd,nkd->bkmn", patches, texts)
    plan = diagonal_plan(similarity.detach().flatten(0, 1)).view_as(similarity)
    logits = at.scale * (plan * similarity).sum(dim=(-2, -1))
    found = torch.autograd.grad(cross_entropy(logits, labels), contexts)
    return PlainStep(logits.detach(), {"context": found[0], "private_context": found[1]})


def diagonal_plan(similarity: Tensor, gamma: float = 0.8, epsilon: float = 0.1) -> Tensor:
    """The unbalanced plan (P, M, N) of P problems, with products of diagonal matrices and one stop for all."""
    _, patches, prompts = similarity.shape
    kernel = torch.exp((similarity - 1.0) / epsilon)
    row_scaled = torch.diag_embed(torch.full_like(kernel[..., 0], patches)) @ kernel  # diag(1 / a) Q
    column_scaled = torch.diag_embed(torch.full_like(kernel[:, 0], prompts / gamma)) @ kernel.transpose(1, 2)
    v = torch.ones_like(kernel[:, 0]).unsqueeze(-1)
    for _ in range(100):
        before = v
        u = torch.clamp(1.0 / (row_scaled @ v), max=1.0)
        v = 1.0 / (column_scaled @ u)
        if float((v - before).abs().mean()) < TOLERANCE:
            break
    return torch.diag_embed(u.squeeze(-1)) @ kernel @ torch.diag_embed(v.squeeze(-1))


def dpfpl_step(at: PlainModel, shared: Tensor, private: Tensor, images: Tensor, labels: Tensor) -> PlainStep:
    """One DP-FPL step without noise: the private context factorised, gradients by p_G, U and v, recombined."""
    u, v = factorise(private)
    residual = private - u @ v
    leaves = [tensor.clone().requires_grad_() for tensor in (shared, u, v)]
    prompt = leaves[0] + leaves[1] @ leaves[2] + residual
    logits = at.scale * normalize(at.image(images)[:, 0], dim=-1) @ at.text(prompt).T
    whole, by_u, by_v = torch.autograd.grad(cross_entropy(logits, labels), leaves)
    tangent = by_u @ v + u @ by_v - u @ (u.T @ by_u) @ v
    return PlainStep(logits.detach(), {"context": whole, "private_context": tangent})


def factorise(context: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal factors (L, k) and (k, W) of a context by one power iteration."""
    generator = torch_generator(0, "factors", round=0, client=0, step=0)  # the draws of the client that is compared
    sketch = torch.randn(context.shape[1], RANK, generator=generator)
    u = orthonormal(context @ sketch)
    return u, orthonormal(context.T @ u).T


def orthonormal(columns: Tensor) -> Tensor:
    """Modified Gram-Schmidt, column after column."""
    columns = columns.clone()
    for i in range(columns.shape[1]):
        columns[:, i] /= columns[:, i].norm()
        for j in range(i + 1, columns.shape[1]):
            columns[:, j] -= (columns[:, i] @ columns[:, j]) * columns[:, i]
    return columns
