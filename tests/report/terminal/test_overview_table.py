"""The table of a run's progress."""

from tests.report.conftest import Made, shown_overview


def test_a_narrow_terminal_has_fewer_columns_and_all_names(made: Made) -> None:
    run = made(epsilon=1.25, attempts=2)
    text = shown_overview(run, 80)
    assert "…" not in text
    assert [line.split()[0] for line in text.splitlines() if "/4" in line or "/1" in line] == [
        "zero_shot", "promptfl", "local",
    ]  # fmt: skip
    assert "epsilon" in text
    assert "neighbours" not in text
