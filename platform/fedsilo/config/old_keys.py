"""Keys of earlier versions, which are read as the keys of today, so that old files and old runs stay readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsilo.config.problems import KeyPath, SourcePlace
from fedsilo.core.training_settings import FRESH, KEPT

OLD, NEW = "persistent", "state"
AROUND = ("training", "optimizer")
WORDS = {True: KEPT, False: FRESH}

RETIRED: dict[KeyPath, tuple[type, str]] = {
    (*AROUND, OLD): (bool, f"Old name of {NEW}: true is {KEPT}, false {FRESH}.")
}
"""Type and meaning of each old key."""


def rename_old_keys(values: dict[str | int, Any]) -> dict[str | int, Any]:
    """Replaces old keys in the values of a layer: `training.optimizer.persistent: true` becomes `state: kept`.

    Args:
        values: The values as they were written, nested.

    Returns:
        The values with keys of today. An old key stays, and is refused as unknown later, where the layer has the new
        key too or where the value is not true or false.
    """
    training = values.get("training")
    optimizer = training.get("optimizer") if isinstance(training, dict) else None
    if not isinstance(optimizer, dict) or NEW in optimizer or not isinstance(optimizer.get(OLD), bool):
        return values
    now = {NEW if key == OLD else key: WORDS[value] if key == OLD else value for key, value in optimizer.items()}
    return {**values, "training": {**training, "optimizer": now}}  # type: ignore[dict-item]


def rename_old_places(places: Mapping[KeyPath, SourcePlace]) -> dict[KeyPath, SourcePlace]:
    """Adds the new key path of each old key to the places of a layer.

    Args:
        places: Where each value was written, by key path.

    Returns:
        The places, those of old keys under both key paths.
    """
    old = places.get((*AROUND, OLD))
    return {**places, **({(*AROUND, NEW): old} if old and (*AROUND, NEW) not in places else {})}
