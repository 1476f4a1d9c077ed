"""The command line, `fedsilo COMMAND`. An error is one line on standard error and exit code 2."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable
from typing import Any

from fedsilo.core.errors import FedsiloError, OldKeyWarning
from fedsilo.core.printing import make_printable


def main() -> None:
    """Runs the command line and ends the process with its exit code.

    0: done. 1: done, and a check failed (doctor, compare, chaos). 2: stopped, with a line that names what to fix in the
    scenario, the data, the folder or the machine, or what failed; `resume` then continues the run. 130: interrupted.
    143: terminated.
    """
    from fedsilo.cli.app import app

    warnings.showwarning = _show_old_keys(warnings.showwarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a letter that the locale lacks must not stop a result
    try:
        app()
    except FedsiloError as error:
        print(make_printable(str(error), keep="\n"), file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # Disks and folders fail in many places; one line helps as much as a traceback.
        print(make_printable(f"{error.filename or 'fedsilo'}: {error.strerror or error}."), file=sys.stderr)
        sys.exit(2)
    except UnicodeEncodeError as error:
        # Another locale than UTF-8 has no bytes for some letters of a path.
        print(
            f"{make_printable(error.object)}: cannot be written in this locale ({error.encoding}). Set LC_ALL=C.UTF-8.",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _show_old_keys(show_any: Callable[..., None]) -> Callable[..., None]:
    """Makes the function that prints warnings: the notice of an old key as one line, others by `show_any`."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, OldKeyWarning):
            print(make_printable(str(message)), file=sys.stderr)
        else:
            show_any(message, category, *place, **more)

    return show
