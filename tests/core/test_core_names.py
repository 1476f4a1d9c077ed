"""Names of `fedsilo.core` are imported when they are used; the lists of them agree."""

import subprocess
import sys

import pytest

import fedsilo.core


def test_every_listed_name_is_found_in_its_file() -> None:
    assert sorted(fedsilo.core._FILE_OF) == sorted(fedsilo.core.__all__)
    for name in fedsilo.core.__all__:
        assert getattr(fedsilo.core, name) is not None


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = fedsilo.core.Nothing  # type: ignore[attr-defined]


def test_the_package_alone_imports_nothing_that_is_heavy() -> None:
    code = "import sys, fedsilo.core.printing, fedsilo.core.errors; print({'numpy', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
