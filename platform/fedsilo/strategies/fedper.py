"""FedPer: some parameters are averaged, others stay with their client.

Source: Arivazhagan et al., "Federated Learning with Personalization Layers", 2019, arXiv:1912.00818, where the first
layers of a network are shared and the last ones are personal. Both parts are trained together in the local epochs;
averaging weights clients by training examples. Running statistics travel with the shared part.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedPerStrategy(Averaging):
    """FedAvg of the parameters that are not personal."""

    stays: tuple[str, ...] = key(
        ("private_*", "head.*", "classifier.*"),
        "Names of the parameters that stay with their client; * stands for any letters.",
    )

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Names the parameters that travel: those that no pattern of `stays` matches.

        Args:
            learner: The learner.

        Returns:
            The names, in the learner's order.
        """
        return tuple(name for name in super().shared(learner) if not any(fnmatchcase(name, p) for p in self.stays))

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner: the patterns match no parameter, or all of them.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        shared, names = self.shared(learner), learner.names()
        found = super().refusals(learner)
        if not found and len(shared) == len(names):
            given, groups = ", ".join(self.stays) or "[]", _list_groups(names)
            found.append(
                f"stays: {given} matches none of the learner's parameters: {', '.join(groups)}. Name some of them, or "
                "use the strategy fedavg."
            )
        if not found and not shared:
            found.append("stays: matches all parameters, so nothing is shared. Use the strategy local.")
        return found


def _list_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    """Lists names, those with the same first word of several as one pattern."""
    heads = [name.partition(".")[0] for name in names]
    short = (name if heads.count(head) == 1 else f"{head}.*" for name, head in zip(names, heads, strict=True))
    return tuple(dict.fromkeys(short))
