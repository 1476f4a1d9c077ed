"""Groups of commands whose help texts come from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])


class CommandGroup(typer.Typer):
    """A group of commands. The help text of a command is its docstring without the sections for developers."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Command], Command]:
        """Registers a command.

        Args:
            name: Name of the command; None for the function's name.
            **settings: Other arguments of `typer.Typer.command`.

        Returns:
            A decorator that registers a function and returns it unchanged.
        """

        def register(function: Command) -> Command:
            text = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
            return super(CommandGroup, self).command(name, **{"help": text, **settings})(function)

        return register
