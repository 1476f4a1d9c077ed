"""The method of a shadow run without some clients."""

import inspect

from fedsilo.core import Method
from fedsilo.runs.audit.absent_clients import Absence


def test_the_method_of_a_shadow_run_is_the_audited_one_but_for_the_training_of_the_absent() -> None:
    own = {name for name, _ in inspect.getmembers(Method) if not name.startswith("_")} - {"kind", "train", "problems"}
    assert own <= set(vars(Absence))
