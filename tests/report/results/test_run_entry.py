"""Settings of a run of a comparison."""

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.report.results.run_entry import list_settings


def test_settings_are_what_numbers_depend_on() -> None:
    one = from_mapping({"name": "a", "actors": {"backend": "serial"}, "tracking.root": "x"})
    other = from_mapping({"name": "b", "evaluation.references": ["local"], "tracking.checkpoints": 7})
    assert list_settings(one) == list_settings(other)
    for change in ({"seed": 1}, {"actors.threads": 2}, {"training.rounds": 3}, {"method": "local"}):
        assert list_settings(from_mapping(change)) != list_settings(from_mapping({}))
