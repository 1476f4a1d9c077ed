import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.aggregation.secagg.graph import exposure
from fedsilo.aggregation.secagg.parameters import Parameters, default_threshold
from fedsilo.core.errors import ProtocolViolation, ScenarioError


@pytest.mark.parametrize(
    ("clients", "colluding", "threshold"),
    [
        (3, 0, 3),
        (3, 1, 3),
        (4, 0, 3),
        (4, 1, 3),
        (5, 0, 4),
        (10, 0, 7),
        (10, 2, 7),
        (10, 5, 8),
        (10, 8, 10),
        (50, 0, 34),
    ],
)
def test_default_threshold(clients: int, colluding: int, threshold: int) -> None:
    assert default_threshold(clients, colluding) == threshold
    assert Parameters(tuple(range(clients)), threshold, 1, colluding).problems() == []


@pytest.mark.parametrize(("clients", "colluding"), [(0, 0), (1, 0), (2, 0), (3, 2), (10, 9), (10, -1)])
def test_no_safe_threshold_is_said_in_one_line(clients: int, colluding: int) -> None:
    with pytest.raises(ScenarioError, match=f"{clients} clients with {colluding} colluding have no safe thr") as caught:
        default_threshold(clients, colluding)
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(3, 60), st.integers(0, 58))
def test_the_default_is_sound_wherever_there_is_one(clients: int, colluding: int) -> None:
    sound = [t for t in range(clients + 1) if Parameters(tuple(range(clients)), t, 1, colluding).problems() == []]
    if sound:
        assert default_threshold(clients, colluding) in sound
    else:
        with pytest.raises(ScenarioError):
            default_threshold(clients, colluding)


FIVE, HUNDRED = tuple(range(5)), tuple(range(100))


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        (Parameters((0, 1), 2, 1), "clients: a secure sum needs at least 3, got 2."),
        (Parameters((0, 2, 1), 3, 1), "clients: must be ascending"),
        (Parameters((0, 1, 1), 3, 1), "clients: must be ascending"),
        (Parameters((-1, 1, 2), 3, 1), "clients: must be ascending"),
        (Parameters((0, 1, 2**32 - 1), 3, 1), "clients: must be ascending"),
        (Parameters(FIVE, 6, 1), "threshold: 6 of 5 clients can never be there. Use at most 5."),
        (Parameters(FIVE, 3, 1, 3), "threshold: 3 colluding clients are 3 clients by themselves. Use more than 3."),
        (
            Parameters(FIVE, 3, 1, 2),
            "threshold: of a sum of 3 vectors 2 can be subtracted by their own clients, and 1 is left to read. Use at",
        ),
        (
            Parameters((0, 1, 2), 2, 1),
            "of a sum of 2 vectors 1 can be subtracted by their own clients, and 1 is left to read. Use at least 3.",
        ),
        (
            Parameters(HUNDRED, 2, 1, 0, "neighbours", 16, 2),
            "of a sum of 2 vectors 1 can be subtracted by their own clients",
        ),
        (Parameters(FIVE, 3, 1, 1), "threshold: 3 of 5 lets a lying coordinator"),
        (Parameters(FIVE, 2, 1), "Use at least 3."),
        (Parameters(FIVE, 4, 1, -1), "colluding: must be 0 or more, got -1."),
        (Parameters(FIVE, 4, 0), "dim: must be in [1, 2**32), got 0."),
        (Parameters(FIVE, 4, 1, bits=16), "bits: only 32 are supported, got 16."),
        (Parameters(FIVE, 4, 1, graph="star"), "graph: must be one of complete, neighbours, got 'star'."),
        (Parameters(FIVE, 4, 1, quorum=3), "quorum: is the threshold 4 on the complete graph, got 3."),
        (Parameters(FIVE, 4, 1, neighbours=3), "neighbours: only with graph: neighbours, got 3."),
        (Parameters(FIVE, 4, 1, 0, "neighbours", 5, 3), "2 <= quorum <= neighbours < 5"),
        (Parameters(FIVE, 4, 1, 0, "neighbours", 3, 4), "2 <= quorum <= neighbours < 5"),
        (Parameters(FIVE, 4, 1, 0, "neighbours", 3), "2 <= quorum <= neighbours < 5"),
        (Parameters(HUNDRED, 67, 1, 5, "neighbours", 11, 5), "quorum: 5 colluding clients hold 5 shares of some"),
    ],
)
def test_every_problem_is_one_line(parameters: Parameters, line: str) -> None:
    problems = parameters.problems()
    assert any(line in problem for problem in problems)
    assert not any("\n" in problem for problem in problems)
    with pytest.raises(ProtocolViolation) as caught:
        parameters.check()
    assert caught.value.reason == "parameters"


def test_a_sparse_graph_needs_its_exposure_to_be_small() -> None:
    assert Parameters(HUNDRED, 67, 1, 5, "neighbours", 11, 6).problems() == []
    assert exposure(100, 5, 11, 6) == 0.0
    assert exposure(100, 5, 11, 5) == pytest.approx(100 * 462 / 71523144, rel=1e-9)  # C(11,5) / C(99,5)


def test_every_field_changes_the_digest() -> None:
    base = Parameters(HUNDRED, 67, 9, 5, "neighbours", 11, 6)
    others = [
        Parameters(HUNDRED[:-1], 67, 9, 5, "neighbours", 11, 6),
        Parameters(HUNDRED, 68, 9, 5, "neighbours", 11, 6),
        Parameters(HUNDRED, 67, 8, 5, "neighbours", 11, 6),
        Parameters(HUNDRED, 67, 9, 4, "neighbours", 11, 6),
        Parameters(HUNDRED, 67, 9, 5, "complete", 11, 6),
        Parameters(HUNDRED, 67, 9, 5, "neighbours", 12, 6),
        Parameters(HUNDRED, 67, 9, 5, "neighbours", 11, 7),
    ]
    digests = {parameters.digest(b"run") for parameters in (base, *others)} | {base.digest(b"other run")}
    assert len(digests) == len(others) + 2
    assert all(len(digest) == 32 for digest in digests)
    assert all(Parameters.from_bytes(parameters.to_bytes()) == parameters for parameters in (base, *others))
