import dataclasses

import pytest

from fedsilo.core import Dataset, Learner, Mechanism, Method, Partition
from fedsilo.core.errors import UnknownComponent
from fedsilo.core.registry import PACKAGES, find, name_of, names
from fedsilo.methods.promptfl import PromptFL


@pytest.mark.parametrize("contract", list(PACKAGES), ids=lambda contract: contract.__name__)
def test_every_file_of_a_kind_defines_one_component_of_it(contract: type) -> None:
    assert names(contract)
    for name in names(contract):
        component = find(contract, name)
        assert issubclass(component, contract)
        assert component.__doc__
        assert all(field.metadata.get("help") for field in dataclasses.fields(component))


def test_names_are_file_names_sorted() -> None:
    for contract, some in ((Method, {"local", "promptfl", "zero_shot"}), (Mechanism, {"central", "none"})):
        assert names(contract) == sorted(names(contract))  # type: ignore[type-abstract]
        assert some <= set(names(contract))  # type: ignore[type-abstract]
    assert name_of(PromptFL()) == "promptfl"


@pytest.mark.parametrize(
    ("contract", "name", "message"),
    [
        (Method, "promtfl", r"no method 'promtfl'\. Did you mean 'promptfl'\? Available: .*\blocal, .*zero_shot\."),
        (Partition, "qqq", r"no partition 'qqq'\. Available: "),
        (Dataset, "no.such.module:Thing", r"dataset 'no.such.module:Thing' cannot be imported"),
        (Dataset, "fedsilo.core.seeds:derive", r"'fedsilo.core.seeds:derive' is not a Dataset"),
        (Method, "fedsilo.core.seeds:", r"cannot be imported"),
        (Method, ":", r"cannot be imported"),
        (
            Learner,
            "fedsilo.models.prompts.context_learner:PromptLearner",
            r"PromptLearner' lacks init, names, scores\. Write",
        ),
    ],
)
def test_an_unknown_name_gets_one_line_with_the_nearest(contract: type, name: str, message: str) -> None:
    with pytest.raises(UnknownComponent, match=message) as caught:
        find(contract, name)
    assert "\n" not in str(caught.value)
