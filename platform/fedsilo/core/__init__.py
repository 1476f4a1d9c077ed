"""The contracts between the parts of fedsilo, and the few tools that all parts use.

Contracts, one file each:

- `data`, `partition`, `task`, `learner`, `local_trainer`, `strategy`, `method`, `availability`, `privacy`,
  `aggregation`, `tracking`: what a component must do. `backend` is what the engine asks of the place where clients run.
- `types`, `batch`, `frozen`, `state`, `metrics`, `messages`, `work`, `training_settings`, `privacy_events`: the data
  that these contracts exchange.

Tools:

- `config_fields` declares scenario keys (`key`, `slot`); `registry` finds a component by the name of its file.
- `errors` has every error that a user can meet; `finiteness` refuses numbers that are nan or infinite.
- `seeds` derives a generator for every draw, the noise that privacy rests on among them.
- `prefetch` works ahead in threads; `printing` makes any text printable.

A component is a frozen dataclass in a file of its own. Its fields are its scenario keys, and the `help` metadata of a
field is what `fedsilo describe` prints. A new component touches no other file.

Imports inside this package point in one direction, which an import contract checks. Every command imports a part of
this package, so the names below are imported when they are used, and only `work` and `finiteness` import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedsilo.core.aggregation import Aggregation, Exchange, Gathered, SumTerms
    from fedsilo.core.availability import Availability, AvailabilityModel, Call
    from fedsilo.core.backend import Backend, Devices, Progress
    from fedsilo.core.batch import Batch, Candidates, Columns
    from fedsilo.core.data import Component, Dataset, Examples, FeatureSource, LabelledImages, Newcomers
    from fedsilo.core.frozen import Frozen
    from fedsilo.core.learner import Learner
    from fedsilo.core.local_trainer import LocalResult
    from fedsilo.core.messages import ClientScore, ClientTask, ClientUpdate, EvaluationTask, RoundRecord, collect_times
    from fedsilo.core.method import Method, Predictor
    from fedsilo.core.metrics import Measures, Metric
    from fedsilo.core.partition import (
        ConceptShift,
        Demand,
        FeatureExtractor,
        FeatureShift,
        Floats,
        Grouping,
        LabelShift,
        Partition,
        QuantityShift,
        Share,
    )
    from fedsilo.core.partition_sections import Corruption, Unseen
    from fedsilo.core.privacy import (
        FINEST_SHARE,
        Budget,
        ExampleClipping,
        Mechanism,
        NoiseShares,
        PlannedRelease,
        PrivacyContext,
        Release,
    )
    from fedsilo.core.strategy import Strategy
    from fedsilo.core.task import Tally, Task
    from fedsilo.core.types import Arrays, Indices, State

__all__ = [
    "FINEST_SHARE",
    "Aggregation",
    "Arrays",
    "Availability",
    "AvailabilityModel",
    "Backend",
    "Batch",
    "Budget",
    "Call",
    "Candidates",
    "ClientScore",
    "ClientTask",
    "ClientUpdate",
    "Columns",
    "Component",
    "ConceptShift",
    "Corruption",
    "Dataset",
    "Demand",
    "Devices",
    "EvaluationTask",
    "ExampleClipping",
    "Examples",
    "Exchange",
    "FeatureExtractor",
    "FeatureShift",
    "FeatureSource",
    "Floats",
    "Frozen",
    "Gathered",
    "Grouping",
    "Indices",
    "LabelShift",
    "LabelledImages",
    "Learner",
    "LocalResult",
    "Measures",
    "Mechanism",
    "Method",
    "Metric",
    "Newcomers",
    "NoiseShares",
    "Partition",
    "PlannedRelease",
    "Predictor",
    "PrivacyContext",
    "Progress",
    "QuantityShift",
    "Release",
    "RoundRecord",
    "Share",
    "State",
    "Strategy",
    "SumTerms",
    "Tally",
    "Task",
    "Unseen",
    "collect_times",
]

_FILES: dict[str, tuple[str, ...]] = {
    "aggregation": (
        "Aggregation",
        "Exchange",
        "Gathered",
        "SumTerms",
    ),
    "availability": (
        "AvailabilityModel",
        "Call",
        "Availability",
    ),
    "backend": (
        "Backend",
        "Devices",
        "Progress",
    ),
    "batch": (
        "Batch",
        "Candidates",
        "Columns",
    ),
    "data": (
        "Component",
        "Dataset",
        "Examples",
        "FeatureSource",
        "LabelledImages",
        "Newcomers",
    ),
    "frozen": ("Frozen",),
    "learner": ("Learner",),
    "local_trainer": ("LocalResult",),
    "messages": (
        "ClientScore",
        "ClientTask",
        "ClientUpdate",
        "EvaluationTask",
        "RoundRecord",
        "collect_times",
    ),
    "method": (
        "Method",
        "Predictor",
    ),
    "metrics": (
        "Measures",
        "Metric",
    ),
    "partition": (
        "ConceptShift",
        "Demand",
        "FeatureShift",
        "Floats",
        "Grouping",
        "LabelShift",
        "FeatureExtractor",
        "Partition",
        "QuantityShift",
        "Share",
    ),
    "partition_sections": (
        "Corruption",
        "Unseen",
    ),
    "privacy": (
        "FINEST_SHARE",
        "Budget",
        "ExampleClipping",
        "Mechanism",
        "NoiseShares",
        "PlannedRelease",
        "PrivacyContext",
        "Release",
    ),
    "strategy": ("Strategy",),
    "task": (
        "Tally",
        "Task",
    ),
    "types": (
        "Arrays",
        "Indices",
        "State",
    ),
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imports a name of this package when it is first used."""
        if name not in _FILE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
        return found
