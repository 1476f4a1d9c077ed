"""The section as it is written: what is refused before anything is loaded, one line each."""

import hashlib
import json
from typing import Any

from fedsilo.config.dumping import to_mapping
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Method
from fedsilo.core.registry import find, names
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.runs.provenance import SETTINGS, hash_settings

BASE = {"partition": {"clients": 4}, "actors": {"backend": "serial"}}


def test_buffered_rounds_are_for_methods_that_send_new_values_for_a_plain_mean() -> None:
    allowed = set()
    for name in names(Method):
        cls: Any = find(Method, name)
        made = cls()
        if made.trains and made.allows_stale:
            allowed.add(name)
    assert {"promptfl", "fedprox", "fedper", "fedotp", "finetune", "local"} <= allowed
    assert not allowed & {"fedamp", "pfedmoap", "dpfpl"}
    assert not PromptFL(synchronise="batch").allows_stale
    assert DPFPL(synchronise="round").allows_stale

    class OwnStep(PromptFL):
        def server_step(self, work: Any) -> Any:
            return super().server_step(work)

    assert not OwnStep().allows_stale


def test_the_old_scenarios_are_as_they_were() -> None:
    scenario = from_mapping(BASE)
    assert not scenario.availability.timed
    assert scenario.stragglers.deadline_s is None
    assert not scenario.stragglers.buffered


def test_a_run_begun_before_stragglers_can_be_resumed_and_one_with_other_stragglers_cannot() -> None:
    def settings(**keys: Any) -> str:
        return hash_settings(from_mapping({**BASE, **keys}), "a {}.")

    written = to_mapping(from_mapping(BASE))
    before = {section: written[section] for section in SETTINGS if section not in ("pace", "trace")}
    text = json.dumps([before, [from_mapping(BASE).backbone.precision, 1, "a {}."]], sort_keys=True)
    assert settings() == hashlib.sha256(text.encode()).hexdigest()
    others = [
        settings(stragglers={"deadline_s": 3}),
        settings(availability="speeds"),
        settings(availability="sporadic"),
    ]
    assert len({settings(), *others}) == 4


def test_the_hash_of_a_run_with_stragglers_is_that_of_the_sections_earlier_names() -> None:
    keys = {"stragglers": {"deadline_s": 3}, "availability": "speeds", "aggregation": "modular"}
    written = to_mapping(from_mapping({**BASE, **keys}))
    before = {
        **{section: written[section] for section in ("seed", "method", "training", "evaluation", "privacy")},
        **{"pace": written["stragglers"], "trace": written["availability"]},
        "aggregation": {**written["aggregation"], "name": "ring"},
    }
    text = json.dumps([before, [from_mapping(BASE).backbone.precision, 1, "a {}."]], sort_keys=True)
    assert hash_settings(from_mapping({**BASE, **keys}), "a {}.") == hashlib.sha256(text.encode()).hexdigest()
