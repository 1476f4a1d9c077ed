"""What is DP-FPL's own; what it has in common with its baselines is in tests/test_additive.py."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.reference_methods import make_reference
from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.dplora import DPLoRA
from fedsilo.methods.fedotp_additive import FedOTPAdditive
from fedsilo.methods.fedprox import FedProx
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.strategies.fedprox import FedProxStrategy


@pytest.mark.parametrize("cls", [DPFPL, DPLoRA])
def test_a_rank_above_the_context_s_is_refused(cls: Any) -> None:
    (line,) = cls(context_length=4, rank=5).problems()
    assert line == "rank: 5 is above method.context_length, 4; a context has no higher rank. Use 1 to 4."
    assert cls(context_length=4, rank=4).problems() == []


def test_its_table_s_methods_average_ten_rounds_and_count_their_gradients() -> None:
    methods = (DPFPL(), DPLoRA(), FedOTPAdditive(), PromptFL(synchronise="batch"))
    assert [method.headline_rounds for method in methods] == [10, 10, 10, 5]
    assert [method.streams for method in methods] == [3, 3, 2, 1]
    assert all(method.uploads_gradients for method in methods)
    assert [method.personal for method in methods] == [True, True, True, False]


def scenario(tmp_path: Path, method: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(f"name: toy\nmethod: {method}\nprivacy: {{mode: paper}}\n")
    return path


def test_it_can_be_asked_for_with_its_noise(tmp_path: Path) -> None:
    method = read(scenario(tmp_path, "{name: dpfpl, rank: 4}")).method
    assert method == DPFPL(rank=4)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "{name: dpfpl, synchronise: round}",
            r"method\.synchronise: factors last one batch, so every batch's gradient must be sent\. Use 'batch'",
        ),
        ("{name: fedotp_additive, synchronise: round}", "Set method.synchronise to 'batch'"),
        ("{name: fedpgp}", "Set method.synchronise to 'batch'"),
        ("{name: dplora, rank: 20}", "20 is above method.context_length"),
    ],
)
def test_what_its_noise_is_not_for_is_refused(tmp_path: Path, method: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        read(scenario(tmp_path, method))


def test_a_reference_takes_no_value_that_it_may_not_have() -> None:
    assert make_reference("dpfpl", PromptFL(context_length=4, synchronise="round")) == DPFPL(context_length=4)
    assert make_reference("dpfpl", FedOTPAdditive(context_length=4, synchronise="round")).synchronise == "batch"
    assert make_reference("promptfl", DPFPL(context_length=4)) == PromptFL(context_length=4, synchronise="batch")


def test_a_reference_takes_the_values_of_a_composed_method_s_parts() -> None:
    method = Composed(learner=CoOpLearner(context_length=4), strategy=FedProxStrategy(mu=0.25))
    assert make_reference("fedprox", method) == FedProx(context_length=4, mu=0.25)
    assert make_reference("zero_shot", method) == ZeroShot()
