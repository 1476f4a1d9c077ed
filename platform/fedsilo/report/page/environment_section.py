"""Environment: the machine, the versions, the commands that repeat the run, and hashes for comparing two runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from markupsafe import Markup

from fedsilo.report.page.page_data import PageData, Record
from fedsilo.report.page.page_elements import HtmlTable
from fedsilo.report.page.rendering import render


def draw_environment(data: PageData) -> Markup:
    """Draws command, versions, machine and hashes.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    facts = [row for row in _facts(data) if row[1]]
    folded = [table for table in (_versions(data), _hashes(data)) if table.rows]
    environment = HtmlTable(["what", "value"], facts, "Environment", words=range(2), code=(1,))
    return render("environment", facts=environment, folded=folded)


def _versions(data: PageData) -> HtmlTable:
    packages = data.environment.get("packages") or {}
    return HtmlTable(["package", "version"], list(packages.items()), "Versions", words=range(2))


def _facts(data: PageData) -> Iterator[tuple[str, str]]:
    here, name = data.environment, data.folder.name
    yield "command", _command(here)
    yield "run again", f"fedsilo run {shlex.quote(f'{name}/scenario.yaml')}"
    yield "resume", "" if data.result else f"fedsilo resume {shlex.quote(name)}"
    yield "seed", str(data.scenario.seed)
    yield "fedsilo", str((here.get("packages") or {}).get("fedsilo", ""))
    yield "Python", str(here.get("python", ""))
    yield "system", str(here.get("system", ""))
    cores, memory = here.get("cores"), here.get("memory_gib")
    yield "machine", f"{cores} cores, {memory} GiB" if cores else ""
    yield "clients run by", f"{data.scenario.actors.backend}, threads {data.scenario.actors.threads}"
    yield "result sha256", str((data.result or {}).get("sha256", ""))
    yield "code sha256", str(here.get("code", ""))
    for key, value in data.origin.items():
        if key.endswith("_sha256"):
            yield key.replace("_", " "), str(value)


def _command(here: Record) -> str:
    """The command without the path of the program."""
    words = [str(word) for word in here.get("command") or ()]
    return shlex.join(["fedsilo", *words[1:]]) if words else ""


def _hashes(data: PageData) -> HtmlTable:
    rows = [(name, h["shared"], h["scores"]) for name, h in (data.result or {}).get("hashes", {}).items()]
    header = ["method", "shared state", "last scores"]
    return HtmlTable(header, rows, "Hashes of the final states", words=range(3), code=(1, 2))
