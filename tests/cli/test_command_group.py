"""Help texts of commands are their docstrings without the sections for developers."""

from __future__ import annotations

import typer

from fedsilo.cli.app import app
from fedsilo.cli.command_group import CommandGroup


def test_help_stops_before_the_arguments() -> None:
    group = CommandGroup()

    @group.command("count")
    def run(many: int) -> None:
        """Count things.

        It takes a while.

        Args:
            many: How many.
        """

    (command,) = group.registered_commands
    assert (command.name, command.help, command.callback) == ("count", "Count things.\n\nIt takes a while.", run)


def test_every_command_has_a_help_text_without_sections() -> None:
    groups = [app, *(found.typer_instance for found in app.registered_groups)]
    assert all(isinstance(group, CommandGroup) for group in groups)
    commands = [command for group in groups if isinstance(group, typer.Typer) for command in group.registered_commands]
    assert len(commands) > 20
    for command in commands:
        assert command.help
        assert "Args:" not in command.help
        assert "Raises:" not in command.help
