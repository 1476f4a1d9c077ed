"""How often a run was looked at: every audit of a run may be wrong with 5 %, and all of them together more often.

RUN/audit/looks.json    each audit that was made of the run once: unit, view, shadow runs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsilo.storage.run_folder import read_json, write_json

LOOKS = "looks.json"


def add_look(folder: Path, look: Mapping[str, Any]) -> int:
    """Returns how many different audits were made of a run, this one included.

    An audit that is repeated shows the same numbers, so it is the same look.

    Args:
        folder: The run's audit folder.
        look: What sets this audit apart from others of the run; plain JSON values.
    """
    path = folder / LOOKS
    looks = list(read_json(path).get("looks", [])) if path.exists() else []
    if look not in looks:
        looks.append(dict(look))
        write_json(path, {"looks": looks})
    return len(looks)
