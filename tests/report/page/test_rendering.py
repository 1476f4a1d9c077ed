"""Templates refuse variables that are missing."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from fedsilo.report.page.rendering import render


def test_a_variable_that_a_section_forgot_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="error"):
        render("damaged", title="x")
