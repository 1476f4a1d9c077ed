"""May the rows of a comparison be compared? What they stand on, and what else is not the same for all.

Seed by seed, rows must stand on the same ground: the same images at the same clients, seen by the same backbone. Runs
of one scenario and seed do, since a partition depends on nothing else; here it is checked. Every kind of ground has a
letter, and rows with different letters must not be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from fedsilo.report.results.run_entry import RunEntry

SYNCHRONISE = "method.synchronise"


class Grounds:
    """The kinds of ground found so far."""

    def __init__(self) -> None:
        self._runs: list[dict[int, RunEntry]] = []

    @property
    def letters(self) -> list[str]:
        """Returns the letters given so far."""
        return [_letter(number) for number in range(len(self._runs))]

    def letter(self, runs: Sequence[RunEntry]) -> str:
        """Returns the first letter whose ground is that of these finished runs for every seed they share."""
        if not runs:
            return ""
        number = next((n for n, known in enumerate(self._runs) if _fit(runs, known)), len(self._runs))
        if number == len(self._runs):
            self._runs.append({})
        self._runs[number] = {**{run.seed: run for run in runs}, **self._runs[number]}
        return _letter(number)

    def runs(self, letter: str) -> list[RunEntry]:
        """Returns a run for every seed on a ground, by seed."""
        known = self._runs[self.letters.index(letter)]
        return [known[seed] for seed in sorted(known)]

    def notes(self) -> list[str]:
        """Returns the line that says whether all rows may be compared."""
        if len(self._runs) > 1:
            return [
                "not all rows stand on the same ground (partition, data or backbone): compare only those with the "
                "same letter."
            ]
        hashes = [f"seed {run.seed} {run.ground[0][:12]}" for letter in self.letters for run in self.runs(letter)]
        return [f"all rows have the same partition for the same seed (sha256: {', '.join(hashes)})."] if hashes else []


def _fit(runs: Sequence[RunEntry], known: dict[int, RunEntry]) -> bool:
    """Whether the runs stand on what is known, for every seed that is."""
    return all(run.ground == known.get(run.seed, run).ground for run in runs)


def _letter(number: int) -> str:
    """A to Z, then A1, B1 and so on."""
    again, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(again) if again else "")


def differences(entries: Sequence[RunEntry], varied: Sequence[str]) -> list[str]:
    """Returns a line for every key outside `method` that differs between methods and is not varied on purpose.

    Of the methods' own keys the one that changes everybody's training is told as well: how often they synchronise.
    """
    lines = []
    for key in dict.fromkeys(key for entry in entries for key in entry.settings):
        if key == "seed" or key in varied or (key.startswith("method.") and key != SYNCHRONISE):
            continue
        methods = _by_value((entry.value(key), entry.method) for entry in entries if key in entry.settings)
        if len(methods) > 1:
            lines.append(f"not the same for all methods: {key} is {_listed(methods)}.")
    return lines


def windows(entries: Sequence[RunEntry]) -> list[str]:
    """Returns the line that says how many rounds the numbers of finished runs are means of."""
    methods = _by_value((str(entry.averaged_rounds), entry.method) for entry in entries)
    if len(methods) > 1:
        return [
            f"every number but best* is a mean over the last evaluated rounds, not as many for all: {_listed(methods)}."
        ]
    return [f"every number but best* is the mean over the last {last} evaluated rounds." for last in methods]


def versions(entries: Sequence[RunEntry]) -> list[str]:
    """Returns a line where finished runs were made with different versions of something."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        for name, version in entry.versions.items():
            found.setdefault(name, set()).add(version)
    mixed = [f"{name} {', '.join(sorted(several))}" for name, several in found.items() if len(several) > 1]
    return [f"runs were made with different versions: {'; '.join(mixed)}."] if mixed else []


def _by_value(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The methods that have each value, each once."""
    methods: dict[str, dict[str, None]] = {}
    for value, method in pairs:
        methods.setdefault(value, {})[method] = None
    return {value: list(by) for value, by in methods.items()}


def _listed(methods: dict[str, list[str]]) -> str:
    return "; ".join(f"{value} for {', '.join(by)}" for value, by in methods.items())
