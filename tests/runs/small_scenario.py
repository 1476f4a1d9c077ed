"""The scenario of small serial runs."""

from typing import Any

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {
        "classes": 4,
        "domains": ["sketch", "neon"],
        "train_per_class_and_domain": 4,
        "test_per_class_and_domain": 3,
    },
    "partition": {"clients": 3, "label": {"name": "dirichlet", "beta": 1.0}},
    "method": {"name": "promptfl", "context_length": 2},
    "training": {"rounds": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.1}},
    "actors": {"backend": "serial"},
}
