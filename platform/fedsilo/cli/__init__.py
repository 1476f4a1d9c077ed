"""The command line: `fedsilo COMMAND`. What goes wrong is one line each and exit code 2."""

from __future__ import annotations

import io
import sys

from fedsilo.core.errors import FedsiloError
from fedsilo.core.printing import make_printable


def main() -> None:
    """Runs the command line and ends the process with its exit code.

    0: done. 1: done, and something that was looked at is not as it should be (doctor, compare, chaos). 2: stopped, with
    a line that says what to put right in scenario, data, folder or machine, or what failed: then `resume` goes on.
    130: interrupted. 143: terminated.
    """
    from fedsilo.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale that lacks a letter never costs a result
    try:
        app()
    except FedsiloError as error:
        print(make_printable(str(error), keep="\n"), file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # Disks and folders fail in more places than can be foreseen; a line says as much as a traceback.
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
