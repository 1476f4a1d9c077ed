"""Checks whether the rows of a comparison can be compared, and lists what differs between them.

Seed by seed, comparable rows have the same ground: the same images at the same clients, the same backbone, and the
same candidates (of a composition: the world and the feasible pairs). Runs of one scenario and seed have it, because a
partition depends on nothing else; this module checks it. Every ground has a letter, and rows with different letters
must not be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from fedsilo.report.results.run_entry import RunEntry

SYNCHRONISE = "method.synchronise"


class Grounds:
    """The grounds found so far."""

    def __init__(self) -> None:
        self._runs: list[dict[int, RunEntry]] = []

    @property
    def letters(self) -> list[str]:
        """The letters assigned so far."""
        return [_letter(number) for number in range(len(self._runs))]

    def assign_letter(self, runs: Sequence[RunEntry]) -> str:
        """Assigns a letter to the ground of finished runs.

        Args:
            runs: Finished runs of one row.

        Returns:
            The first letter whose ground equals that of the runs for every seed they share; "" without runs.
        """
        if not runs:
            return ""
        number = next((n for n, known in enumerate(self._runs) if _fits(runs, known)), len(self._runs))
        if number == len(self._runs):
            self._runs.append({})
        self._runs[number] = {**{run.seed: run for run in runs}, **self._runs[number]}
        return _letter(number)

    def list_runs(self, letter: str) -> list[RunEntry]:
        """Lists the runs on a ground.

        Args:
            letter: Letter of the ground.

        Returns:
            One run for every seed, ordered by seed.
        """
        known = self._runs[self.letters.index(letter)]
        return [known[seed] for seed in sorted(known)]

    def describe(self) -> list[str]:
        """Describes whether all rows can be compared.

        Returns:
            One line, or none where no run has finished.
        """
        if len(self._runs) > 1:
            return [
                "not all rows stand on the same ground (partition, data, candidates or backbone): compare only those "
                "with the same letter."
            ]
        hashes = [f"seed {run.seed} {run.ground[0][:12]}" for letter in self.letters for run in self.list_runs(letter)]
        return [f"all rows have the same partition for the same seed (sha256: {', '.join(hashes)})."] if hashes else []


def _fits(runs: Sequence[RunEntry], known: dict[int, RunEntry]) -> bool:
    """Whether the runs have a known ground, for every seed that is known."""
    return all(run.ground == known.get(run.seed, run).ground for run in runs)


def _letter(number: int) -> str:
    """A to Z, then A1, B1 and so on."""
    again, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(again) if again else "")


def list_differences(entries: Sequence[RunEntry], varied: Sequence[str]) -> list[str]:
    """Lists the keys outside `method` that differ between methods although the comparison does not vary them.

    The only method key in the list is `method.synchronise`, because it changes how every client trains.

    Args:
        entries: The runs.
        varied: Dotted keys that are varied on purpose.

    Returns:
        One line for each key.
    """
    lines = []
    for key in dict.fromkeys(key for entry in entries for key in entry.settings):
        if key == "seed" or key in varied or (key.startswith("method.") and key != SYNCHRONISE):
            continue
        methods = _by_value((entry.value(key), entry.method) for entry in entries if key in entry.settings)
        if len(methods) > 1:
            lines.append(f"not the same for all methods: {key} is {_join_methods(methods)}.")
    return lines


def describe_windows(entries: Sequence[RunEntry]) -> list[str]:
    """Describes over how many rounds the numbers of finished runs are averaged.

    Args:
        entries: Finished runs.

    Returns:
        One line, or none without runs.
    """
    methods = _by_value((str(entry.averaged_rounds), entry.method) for entry in entries)
    if len(methods) > 1:
        rounds = _join_methods(methods)
        return [f"every number but best* is a mean over the last evaluated rounds, not as many for all: {rounds}."]
    return [f"every number but best* is the mean over the last {last} evaluated rounds." for last in methods]


def list_version_differences(entries: Sequence[RunEntry]) -> list[str]:
    """Describes which software versions differ between finished runs.

    Args:
        entries: Finished runs.

    Returns:
        One line, or none where all versions are equal.
    """
    found: dict[str, set[str]] = {}
    for entry in entries:
        for name, version in entry.versions.items():
            found.setdefault(name, set()).add(version)
    mixed = [f"{name} {', '.join(sorted(several))}" for name, several in found.items() if len(several) > 1]
    return [f"runs were made with different versions: {'; '.join(mixed)}."] if mixed else []


def _by_value(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The methods that have each value, each method once."""
    methods: dict[str, dict[str, None]] = {}
    for value, method in pairs:
        methods.setdefault(value, {})[method] = None
    return {value: list(by) for value, by in methods.items()}


def _join_methods(methods: dict[str, list[str]]) -> str:
    return "; ".join(f"{value} for {', '.join(by)}" for value, by in methods.items())
