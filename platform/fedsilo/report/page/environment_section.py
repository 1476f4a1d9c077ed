"""What a run ran on, how it is repeated, and the hashes by which two runs are compared."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from fedsilo.report.page.markup import Content, Markup, element, folded, section, table
from fedsilo.report.page.page_data import Material, Record


def surroundings(material: Material) -> Markup:
    """Returns command, versions, machine and hashes."""
    facts = [row for row in _facts(material) if row[1]]
    packages = material.environment.get("packages") or {}
    return section(
        "Environment",
        table(
            ["what", "value"], [(what, element("code", value)) for what, value in facts], "Environment", words=range(2)
        ),
        folded("Versions", table(["package", "version"], list(packages.items()), "Versions", words=range(2)))
        if packages
        else Markup(),
        _hashes(material),
    )


def _facts(material: Material) -> Iterator[tuple[str, str]]:
    here, name = material.environment, material.folder.name
    yield "command", _command(here)
    yield "run again", f"fedsilo run {shlex.quote(f'{name}/scenario.yaml')}"
    yield "resume", "" if material.result else f"fedsilo resume {shlex.quote(name)}"
    yield "seed", str(material.scenario.seed)
    yield "fedsilo", str((here.get("packages") or {}).get("fedsilo", ""))
    yield "Python", str(here.get("python", ""))
    yield "system", str(here.get("system", ""))
    cores, memory = here.get("cores"), here.get("memory_gib")
    yield "machine", f"{cores} cores, {memory} GiB" if cores else ""
    yield "clients run by", f"{material.scenario.actors.backend}, threads {material.scenario.actors.threads}"
    yield "result sha256", str((material.result or {}).get("sha256", ""))
    yield "code sha256", str(here.get("code", ""))
    for key, value in material.origin.items():
        if key.endswith("_sha256"):
            yield key.replace("_", " "), str(value)


def _command(here: Record) -> str:
    """The command without the path of the program."""
    words = [str(word) for word in here.get("command") or ()]
    return shlex.join(["fedsilo", *words[1:]]) if words else ""


def _hashes(material: Material) -> Markup:
    rows: list[tuple[Content, Content, Content]] = [
        (name, element("code", hashes["shared"]), element("code", hashes["scores"]))
        for name, hashes in (material.result or {}).get("hashes", {}).items()
    ]
    about = "Hashes of the final states"
    return folded(about, table(["method", "shared state", "last scores"], rows, about, range(3))) if rows else Markup()
