from dataclasses import fields

import pytest

from fedsilo.contracts import Dataset, Mechanism, Method, Partition
from fedsilo.errors import UnknownComponent
from fedsilo.methods.promptfl import PromptFL
from fedsilo.registry import PACKAGES, find, name_of, names


@pytest.mark.parametrize("contract", list(PACKAGES), ids=lambda contract: contract.__name__)
def test_every_file_of_a_kind_defines_one_component_of_it(contract: type) -> None:
    assert names(contract)
    for name in names(contract):
        component = find(contract, name)
        assert issubclass(component, contract)
        assert component.__doc__
        assert all(field.metadata.get("help") for field in fields(component))  # type: ignore[arg-type]


def test_names_are_file_names_sorted() -> None:
    assert names(Method) == sorted(names(Method))
    assert {"local", "promptfl", "zero_shot"} <= set(names(Method))
    assert names(Mechanism) == ["central", "none"]
    assert name_of(PromptFL()) == "promptfl"


@pytest.mark.parametrize(
    ("contract", "name", "message"),
    [
        (Method, "promtfl", r"no method 'promtfl'\. Did you mean 'promptfl'\? Available: .*local, .*zero_shot\."),
        (Partition, "qqq", r"no partition 'qqq'\. Available: "),
        (Dataset, "no.such.module:Thing", r"dataset 'no.such.module:Thing' cannot be imported"),
        (Dataset, "fedsilo.seeds:derive", r"'fedsilo.seeds:derive' is not a Dataset"),
        (Method, "fedsilo.seeds:", r"cannot be imported"),
        (Method, ":", r"cannot be imported"),
    ],
)
def test_an_unknown_name_gets_one_line_with_the_nearest(contract: type, name: str, message: str) -> None:
    with pytest.raises(UnknownComponent, match=message) as caught:
        find(contract, name)
    assert "\n" not in str(caught.value)
