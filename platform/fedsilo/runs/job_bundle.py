"""Files and modules that are sent with a remote job: the scenario in one file, its partition, external components."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from fedsilo.config.dumping import to_yaml
from fedsilo.config.external_components import list_external_modules
from fedsilo.config.problems import find_name_problems
from fedsilo.config.scenario_reading import read
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.printing import encode_utf8
from fedsilo.data.files.user_paths import elsewhere, expand
from fedsilo.partitioning.rules.manifest import FromManifest

SCENARIO, MANIFEST = "scenario.yaml", "partition.json"
ON_THE_CLUSTER = (
    "actors.address=auto",
    "actors.object_store_mb=0",
    "actors.pretend_gpus=0",
    "actors.dashboard=false",
)
"""Changes of a scenario that would start its own Ray, for a cluster that already runs."""


@dataclass(frozen=True, slots=True)
class JobBundle:
    """A run that is executed elsewhere.

    Attributes:
        name: Name of the job, and of the run's folder.
        command: Shell command that executes the run in a folder with the files.
        run: The run's folder on the remote machine.
        files: Contents of the files in the folder of the command, by name.
        code: External packages that the scenario's components come from; single modules are among the files.
        notices: What the user should know before the job is sent, one line each.
    """

    name: str
    command: str
    run: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    code: tuple[ModuleType, ...] = ()
    notices: tuple[str, ...] = ()


def bundle_new_run(path: Path, changes: Sequence[str], name: str = "", python: str = "python") -> JobBundle:
    """Builds the bundle of a new run.

    Args:
        path: The scenario file; files that it extends are merged into it.
        changes: `key.path=value` texts that override the file.
        name: Name of the run; "" for the scenario's name and the time.
        python: The Python of the command.

    Returns:
        The bundle.

    Raises:
        ScenarioError: The scenario or the name has problems; the error lists all of them.
        RunError: The manifest that the scenario names cannot be read.
    """
    with elsewhere():
        scenario = read(path, [*changes, *ON_THE_CLUSTER])
    name = name or f"{scenario.name}-{datetime.now():%Y%m%d-%H%M%S}"
    if problems := find_name_problems(name):
        raise ScenarioError(problems[0])
    moved, notices = _make_paths_absolute(scenario)
    files = {}
    if isinstance(moved.partition, FromManifest):
        files[MANIFEST] = _manifest(moved.partition.path)
        moved = replace(moved, partition=replace(moved.partition, file=MANIFEST))
    files[SCENARIO] = encode_utf8(to_yaml(moved))
    packages, modules = _code(moved)
    run = f"{moved.tracking.root.rstrip('/')}/{name}"
    command = shlex.join([python, "-m", "fedsilo", "run", SCENARIO, "--folder", run])
    return JobBundle(name, command, run, files | modules, packages, tuple(notices))


def bundle_old_run(run: str, changes: Sequence[str], python: str = "python") -> JobBundle:
    """Builds the bundle that resumes a run on the cluster.

    Args:
        run: The run's folder on the remote machine. If this machine can read it too, external components are sent
            again.
        changes: `actors.KEY=value` texts.
        python: The Python of the command.

    Returns:
        The bundle.
    """
    name = f"{Path(run).name}-resumed-{datetime.now():%Y%m%d-%H%M%S}"
    resume = shlex.join([python, "-m", "fedsilo", "resume", run, *changes, *ON_THE_CLUSTER])
    # The scenario names a manifest by its path in the folder of the command; the run has its own copy.
    command = f"cd {shlex.quote(run)} 2>/dev/null; {resume}"
    scenario = Path(run) / SCENARIO
    if not scenario.is_file():
        return JobBundle(name, command, run)
    with elsewhere():
        packages, modules = _code(read(scenario))
    return JobBundle(name, command, run, modules, packages)


def _code(scenario: Scenario) -> tuple[tuple[ModuleType, ...], dict[str, bytes]]:
    """The packages of external components, and the files of single modules by name."""
    found = list_external_modules(scenario)
    files = [Path(module.__file__) for module in found if not hasattr(module, "__path__") and module.__file__]
    packages = tuple(module for module in found if hasattr(module, "__path__"))
    return packages, {file.name: file.read_bytes() for file in files}


def _make_paths_absolute(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """The scenario with absolute folders in the place of relative ones, and a notice for each."""
    notices: list[str] = []
    changed: dict[str, Any] = {}
    for section, key in (("tracking", "root"), ("data", "root"), ("data", "path"), ("aggregation", "identities")):
        part = changed.get(section, getattr(scenario, section))
        value = getattr(part, key, "")
        home = value.startswith("~") and section == "data"  # the home folder on the machine that reads the data
        hub = key == "path" and not Path(value).exists()
        if not value or hub or home or Path(value).is_absolute():
            continue
        absolute = str(expand(value))
        changed[section] = replace(part, **{key: absolute})
        notices.append(f"{section}.{key}: {absolute}, which every machine of the cluster must see under this name")
    return replace(scenario, **changed), notices


def _manifest(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}.") from error
