import pickle

import pytest

from fedsilo.core import errors


def everything() -> list[type[errors.FedsiloError]]:
    found, todo = [], [errors.FedsiloError]
    while todo:
        found.append(todo.pop())
        todo += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("kind", everything(), ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_out_of_a_worker(kind: type[errors.FedsiloError]) -> None:
    back = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(back) is kind
    assert str(back) == "what happened"


def test_a_client_error_keeps_where_it_was() -> None:
    back = pickle.loads(pickle.dumps(errors.ClientLost("gone", client=7, round=3, stage="train")))
    assert (back.client, back.round, back.stage, str(back)) == (7, 3, "train", "gone")


def test_a_violation_keeps_who_where_and_why() -> None:
    error = errors.ProtocolViolation("refused", client=7, stage="share", reason="altered roster")
    back = pickle.loads(pickle.dumps(error))
    assert (back.client, back.stage, back.reason, str(back)) == (7, "share", "altered roster", "refused")


def test_an_aborted_round_keeps_where_and_how_many() -> None:
    back = pickle.loads(pickle.dumps(errors.RoundAborted("too few", stage="mask", have=2, need=3)))
    assert (back.stage, back.have, back.need, str(back)) == ("mask", 2, 3, "too few")


def test_a_scenario_error_is_all_its_problems() -> None:
    back = pickle.loads(pickle.dumps(errors.ScenarioError("two problems", ["a: wrong.", "b: wrong."])))
    assert str(back) == "a: wrong.\nb: wrong."


def test_every_error_stands_in_the_tree_of_the_docstring() -> None:
    for kind in everything():
        assert kind.__name__ in (errors.__doc__ or "")
