"""What the parts of fedsilo promise each other.

A component (data set, partition, method, trace, mechanism, aggregation) is a frozen dataclass in a file of its own; its
fields are its scenario keys, their `help` metadata is what `fedsilo describe` prints. The registry finds it by the
file's name, so adding one touches no other file.

State is named tensors: *shared* (the coordinator's), *private* (a client's own, never uploaded), and the *upload*.
"""

from fedsilo.contracts.aggregation import Aggregation, Exchange, Gathered, SumTerms
from fedsilo.contracts.data import (
    Component,
    Dataset,
    Examples,
    FeatureSource,
    Indices,
    LabelledImages,
    Newcomers,
)
from fedsilo.contracts.learning import LocalResult, Method, Predictor, State
from fedsilo.contracts.messages import (
    Arrays,
    ClientScore,
    ClientTask,
    ClientUpdate,
    EvaluationTask,
    RoundRecord,
    times_of,
)
from fedsilo.contracts.pacing import Call, Course, Trace
from fedsilo.contracts.protection import (
    FINEST_SHARE,
    Budget,
    ExampleClipping,
    Facts,
    Mechanism,
    NoiseShares,
    Release,
    Turn,
)
from fedsilo.contracts.running import Backend, Devices, Progress
from fedsilo.contracts.sharing import (
    ConceptShift,
    Corruption,
    Demand,
    FeatureShift,
    Floats,
    Grouping,
    LabelShift,
    Look,
    Partition,
    QuantityShift,
    Share,
    Unseen,
)

__all__ = [
    "FINEST_SHARE",
    "Aggregation",
    "Arrays",
    "Backend",
    "Budget",
    "Call",
    "ClientScore",
    "ClientTask",
    "ClientUpdate",
    "Component",
    "ConceptShift",
    "Corruption",
    "Course",
    "Dataset",
    "Demand",
    "Devices",
    "EvaluationTask",
    "ExampleClipping",
    "Examples",
    "Exchange",
    "Facts",
    "FeatureShift",
    "FeatureSource",
    "Floats",
    "Gathered",
    "Grouping",
    "Indices",
    "LabelShift",
    "LabelledImages",
    "LocalResult",
    "Look",
    "Mechanism",
    "Method",
    "Newcomers",
    "NoiseShares",
    "Partition",
    "Predictor",
    "Progress",
    "QuantityShift",
    "Release",
    "RoundRecord",
    "Share",
    "State",
    "SumTerms",
    "Trace",
    "Turn",
    "Unseen",
    "times_of",
]
