"""Counts the audits of a run. Each audit may be wrong with probability 5 %, and several audits together with more.

RUN/audit/looks.json    each different audit of the run once: unit, view, shadow runs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsilo.storage.run_folder import read_json, write_json

LOOKS = "looks.json"


def add_look(folder: Path, look: Mapping[str, Any]) -> int:
    """Records an audit. A repeated audit shows the same numbers, so it counts once.

    Args:
        folder: The run's audit folder.
        look: What distinguishes this audit from other audits of the run; plain JSON values.

    Returns:
        Number of different audits of the run, with this one.
    """
    path = folder / LOOKS
    looks = list(read_json(path).get("looks", [])) if path.exists() else []
    if look not in looks:
        looks.append(dict(look))
        write_json(path, {"looks": looks})
    return len(looks)
