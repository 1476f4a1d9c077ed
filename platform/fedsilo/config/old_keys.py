"""Keys of earlier versions, read as the keys that they are now, so that old files and old runs stay readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsilo.config.problems import KeyPath, SourcePlace
from fedsilo.core.training_settings import FRESH, KEPT

OLD, NEW = "persistent", "state"
AROUND = ("training", "optimizer")
WORDS = {True: KEPT, False: FRESH}


def rename_old_keys(values: dict[str | int, Any]) -> dict[str | int, Any]:
    """Returns a layer's values with `training.optimizer.persistent: true` as `state: kept`.

    Where a layer has both keys, or no truth value, the old one stays, to be refused as unknown.
    """
    training = values.get("training")
    optimizer = training.get("optimizer") if isinstance(training, dict) else None
    if not isinstance(optimizer, dict) or NEW in optimizer or not isinstance(optimizer.get(OLD), bool):
        return values
    now = {NEW if key == OLD else key: WORDS[value] if key == OLD else value for key, value in optimizer.items()}
    return {**values, "training": {**training, "optimizer": now}}  # type: ignore[dict-item]


def rename_old_places(places: Mapping[KeyPath, SourcePlace]) -> dict[KeyPath, SourcePlace]:
    """Returns the places of a layer's values, that of the old key under the new one as well."""
    old = places.get((*AROUND, OLD))
    return {**places, **({(*AROUND, NEW): old} if old and (*AROUND, NEW) not in places else {})}
