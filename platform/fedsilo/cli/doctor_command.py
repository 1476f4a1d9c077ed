"""`fedsilo doctor`: finds what would stop a run on this machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.table import Table

from fedsilo.cli.output import show, show_json
from fedsilo.cli.run_commands import Json
from fedsilo.report.terminal.cells import cell


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check.

    Attributes:
        what: What was checked.
        found: The result.
        trouble: What would stop a run, and what to do; "" if nothing.
    """

    what: str
    found: str
    trouble: str = ""


def doctor(json: Json = False) -> None:
    """Check read_versions, devices, Ray, memory, disk and cache; exit code 1 when something would stop a run.

    Args:
        json: Whether to print JSON.
    """
    findings = examine()
    if json:
        show_json([{"what": f.what, "found": f.found, "trouble": f.trouble} for f in findings])
    else:
        table = Table(title="fedsilo doctor", title_justify="left")
        for column in ("what", "found", "trouble"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(*(cell(text) for text in (finding.what, finding.found, finding.trouble or "none")))
        show(table)
    if any(finding.trouble for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Diagnosis]:
    """Checks the machine.

    Returns:
        The results in order.
    """
    return [_python(), *_packages(), _devices(), _memory(), _disk(), _cache(), _backbone(), _ray()]


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    sound = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Diagnosis("python", version, "" if sound else "fedsilo runs on Python 3.11 to 3.13.")


def _packages() -> list[Diagnosis]:
    from fedsilo.storage.environment import read_versions

    return [
        Diagnosis(name, version, f"install it: pip install {name}" if version == "missing" else "")
        for name, version in read_versions().items()
    ]


def _devices() -> Diagnosis:
    import torch

    if not torch.cuda.is_available():
        return Diagnosis("devices", f"CPU only, {torch.get_num_threads()} threads")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Diagnosis("devices", ", ".join(names))


def _memory() -> Diagnosis:
    from fedsilo.storage.environment import measure_memory

    total = measure_memory() / 2**30
    actors = int((total - 2) / 0.4)
    low = "less than 4 GiB: use actors.backend=serial." if 0 < total < 4 else ""
    return Diagnosis("memory", f"{total:.1f} GiB, room for about {max(actors, 0)} client actors", low)


def _disk() -> Diagnosis:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return Diagnosis("disk here", f"{free:.1f} GiB free", "less than 1 GiB: runs may not fit." if free < 1 else "")


def _cache() -> Diagnosis:
    from fedsilo.models.clip.feature_cache import FeatureCache

    folder = FeatureCache().folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Diagnosis("feature cache", str(folder), f"cannot be written ({error.strerror}): set FEDSILO_CACHE.")
    return Diagnosis("feature cache", str(folder))


def _backbone() -> Diagnosis:
    from fedsilo.core.errors import FedsiloError
    from fedsilo.models.clip.loading import Backbone, load

    try:
        loaded = load(Backbone())
    except FedsiloError as error:
        return Diagnosis("fedsilo-tiny", "cannot be loaded", str(error))
    return Diagnosis("fedsilo-tiny", f"weights {loaded.fingerprint[:12]}")


def _ray() -> Diagnosis:
    from fedsilo.config.sections import Actors
    from fedsilo.core.errors import FedsiloError
    from fedsilo_actors.runtime import read_cluster_resources

    try:
        found = read_cluster_resources(Actors())
    except FedsiloError as error:
        return Diagnosis("ray on this machine", "cannot be started", str(error))
    return Diagnosis("ray on this machine", f"starts; {found.get('CPU', 0):g} CPUs, {found.get('GPU', 0):g} GPUs")
