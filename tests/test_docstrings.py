"""Public functions say what they take and give. pydoclint (`make lint`) checks each entry against its signature."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEAST = 0.95
"""Share of public functions with parameters that document all of them."""


def public_functions(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """Functions and methods whose name, and whose class's name, has no leading underscore."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def parameters(function: ast.FunctionDef) -> list[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return [each.arg for each in every if each.arg not in ("self", "cls")]


def gives(function: ast.FunctionDef) -> bool:
    return function.returns is not None and ast.unparse(function.returns) not in ("None", "Never", "NoReturn")


def lacking(function: ast.FunctionDef) -> list[str]:
    """Which sections a docstring should have and has not; of functions without parameters nothing is asked."""
    text = ast.get_docstring(function) or ""
    if not parameters(function):
        return []
    found = [] if "Args:" in text else ["Args"]
    return found + (["Returns"] if gives(function) and not ("Returns:" in text or "Yields:" in text) else [])


def test_what_is_lacking_is_found() -> None:
    source = """
def f(x) -> int:
    "Adds."
def _g(x): ...
class _C:
    def h(self, x): ...
class D:
    def i(self): ...
"""
    assert [lacking(function) for function in public_functions(ast.parse(source))] == [["Args", "Returns"], []]


def test_public_functions_document_parameters_and_results() -> None:
    counted, short = 0, []
    for path in sorted([*(ROOT / "platform").rglob("*.py"), *(ROOT / "actors").rglob("*.py")]):
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
            if parameters(function):
                counted += 1
                found = lacking(function)
                short += [f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}: no {found}"] if found else []
    assert counted > 1000
    assert len(short) <= (1 - LEAST) * counted, "\n".join(short)
