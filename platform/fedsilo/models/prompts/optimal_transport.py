"""Optimal transport between the patches of an image and the prompts of a class, as FedOTP uses it.

Dimensions: N prompts per class (FedOTP has 2: the global and the local one), M patches; any leading axes, for example
B images and K classes, are separate problems.
Source: Li, Huang, Wang, Shi, "Global and Local Prompts Cooperation via Optimal Transport for Federated Learning", CVPR
2024, arXiv:2403.00041. Their released loop stops all problems of a batch together, so that an image's plan depends on
its batch mates; here every problem stops by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.errors import ScenarioError
from fedsilo.models.prompts.newton_transport import Newton
from fedsilo.models.prompts.sinkhorn import Scaling

VARIANTS = ("unbalanced", "sinkhorn")
SOLVERS = ("sweeps", "newton", "pot")


@dataclass(frozen=True, slots=True)
class Transport:
    """How patches are brought to prompts.

    Attributes:
        gamma: Mass that is moved, in (0, 1]; the variant "sinkhorn" moves all of it, whatever is said here.
        epsilon: Entropy weight, > 0, in units of cosine.
        variant: "unbalanced": each prompt gets exactly gamma / N, a patch gives at most 1 / M. "sinkhorn": each
            prompt gets 1 / N, each patch gives 1 / M.
        iterations: Most sweeps over rows and columns, >= 1.
        tolerance: A problem is solved when a sweep changes its column scales by less, relatively and in the mean
            over its prompts; 0 never stops early.
        solver: "sweeps": the iteration of the paper, in `models/prompts/sinkhorn.py`. "newton": its fixed point, exact
            to 1e-5 of a patch's mass, in `models/prompts/newton_transport.py`; `iterations` and `tolerance` do not
            matter. "pot": POT's batched log-domain Sinkhorn, which cannot leave patches part empty.
    """

    gamma: float = 0.8
    epsilon: float = 0.1
    variant: str = "unbalanced"
    iterations: int = 100
    tolerance: float = 1e-3
    solver: str = "sweeps"

    def problems(self) -> list[str]:
        """Returns what does not go together, as 'key: what is wrong. What to do.' lines."""
        if self.solver == "pot" and self.capped and self.gamma < 1:
            return [
                f"solver: 'pot' has no batched solver for variant 'unbalanced' with gamma {self.gamma:g}. "
                "Set solver: sweeps, or gamma: 1, or variant: sinkhorn."
            ]
        return []

    @property
    def capped(self) -> bool:
        """Returns whether patches may give less than their mass."""
        return self.variant == "unbalanced"

    @torch.no_grad()
    def plan(self, similarity: Tensor) -> Tensor:
        """Returns the plans T for similarities S, without gradient.

        T maximises <S, T> + epsilon * entropy(T) over T >= 0 with the variant's column and row sums; "unbalanced" with
        gamma 1 is "sinkhorn". The last half step is the columns', so they are exact to rounding. Rows are as good as
        the convergence: a problem that met the tolerance has no row above (1 + N * tolerance) / M. At epsilon 0.01
        many stop at `iterations` instead; solver "newton" has no row above 1 / M. With tolerance 0 the sweeps end with
        the published iterate of that count.

        Args:
            similarity: (..., M, N) cosines in [-1, 1], of any floating type; computed in fp32 at least.

        Returns:
            (..., M, N) non-negative fp32; in memory the patches lie next to each other. A problem that holds nan or
            infinity gets a plan of nan and makes the loss nan, which training refuses with client and round; its
            batch mates do not notice.

        Raises:
            ScenarioError: The solver does not fit the variant.
        """
        if found := self.problems():
            raise ScenarioError(f"transport: {found[0]}")
        *leading, patches, prompts = similarity.shape
        problems = similarity.detach().float().movedim(-1, 0).reshape(prompts, -1, patches)
        if self.solver == "pot":
            plans = _pot(problems, self)
        else:
            sweeps = self._scaling(patches, prompts)
            plans = (Newton(sweeps) if self.solver == "newton" else sweeps).solve(problems)
        return plans.reshape(prompts, *leading, patches).movedim(0, -1)

    def _scaling(self, patches: int, prompts: int) -> Scaling:
        mass = self.gamma if self.capped else 1.0
        return Scaling(self.epsilon, mass * patches / prompts, self.capped, self.tolerance, self.iterations)


def _pot(similarity: Tensor, transport: Transport) -> Tensor:
    """Returns POT's plans. It stops when the worst problem of the batch is done, looking every tenth sweep."""
    prompts, count, patches = similarity.shape
    if not count:
        return torch.empty_like(similarity)
    from ot.batch import solve_batch  # a second to import, and rarely asked for

    cost = 1 - similarity.double().permute(1, 2, 0)
    result = solve_batch(
        cost,
        transport.epsilon,
        cost.new_full((count, patches), 1 / patches),
        cost.new_full((count, prompts), 1 / prompts),
        max_iter=transport.iterations,
        tol=transport.tolerance / patches**0.5,  # 2-norm of the rows' errors, each `tolerance` of its 1 / M
        method="log_sinkhorn",
        grad="detach",
    )
    plans: Tensor = result.plan
    return plans.permute(2, 0, 1).float()
