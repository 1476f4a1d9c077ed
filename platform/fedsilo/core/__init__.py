"""What the parts of fedsilo promise each other.

A component (data set, partition, task, learner, strategy, method, trace, mechanism, aggregation) is a frozen dataclass
in a file of its own; its fields are its scenario keys, their `help` metadata is what `fedsilo describe` prints. The
registry finds it by the file's name, so adding one touches no other file.

Imports inside this package point in one direction: types, data, batch, task, frozen, settings, privacy, work, learner,
strategy, method, messages, backend, aggregation. Every command reads it, and the import of torch takes seconds: only
`work`, which is imported by its own name, does.
"""

from fedsilo.core.aggregation import Aggregation, Exchange, Gathered, SumTerms
from fedsilo.core.availability import AvailabilityModel, Call, Trace
from fedsilo.core.backend import Backend, Devices, Progress
from fedsilo.core.batch import Batch, Candidates, Columns
from fedsilo.core.data import Component, Dataset, Examples, FeatureSource, LabelledImages, Newcomers
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.messages import ClientScore, ClientTask, ClientUpdate, EvaluationTask, RoundRecord, collect_times
from fedsilo.core.method import Method, Predictor
from fedsilo.core.metrics import Measures, Metric
from fedsilo.core.partition import (
    ConceptShift,
    Corruption,
    Demand,
    FeatureExtractor,
    FeatureShift,
    Floats,
    Grouping,
    LabelShift,
    Partition,
    QuantityShift,
    Share,
    Unseen,
)
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
from fedsilo.core.strategy import LocalResult, Strategy
from fedsilo.core.task import Tally, Task
from fedsilo.core.types import Arrays, Indices, State

__all__ = [
    "FINEST_SHARE",
    "Aggregation",
    "Arrays",
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
    "Trace",
    "Unseen",
    "collect_times",
]
