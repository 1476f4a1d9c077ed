"""The scenario of small comparisons."""

from typing import Any

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "classes": 12,
        "domains": ["mosaic", "watercolour"],
        "train_per_class_and_domain": 2,
        "test_per_class_and_domain": 2,
    },
    "partition": {"clients": 3, "label": {"name": "dirichlet", "beta": 1.0}},
    "method": {"name": "promptfl", "context_length": 2},
    "training": {"rounds": 1, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}
