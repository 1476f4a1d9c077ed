"""The benchmark of compositions at a size of seconds: both ways give the same numbers, and each line is printed."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "benchmarks" / "compositions.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = importlib.util.spec_from_file_location("compositions_benchmark", FILE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "compositions_benchmark", module)  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


def test_plain_and_ours_agree_at_a_tiny_size(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--model", "fedsilo-tiny", "--settings", "2,3,4,3", "--evaluation", "2,3,5,4", "--images", "8"]
    benchmark.main([*tiny, "--repetitions", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("step, ") for line in lines) == 2
    errors = [float(text) for line in lines if "relative error" in line for text in re.findall(r"[\d.]+e-\d+", line)]
    assert len(errors) == 5
    assert max(errors) < 1e-4
    assert any("own forward and backward" in line for line in lines)
