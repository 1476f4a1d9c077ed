"""The command line: `fedsilo COMMAND`. What goes wrong by the user's doing is one line each and exit code 2."""

from __future__ import annotations

import sys

from fedsilo.errors import ClientError, FedsiloError


def main() -> None:
    """Runs the command line and ends the process with its exit code.

    0: done. 1: a client or the coordinator failed. 2: something to put right in scenario, data, folder or machine.
    130: interrupted. 143: terminated.
    """
    from fedsilo.cli.app import app

    try:
        app()
    except FedsiloError as error:
        print(error, file=sys.stderr)
        sys.exit(1 if isinstance(error, ClientError) else 2)
    except OSError as error:
        # Disks and folders fail in more places than can be foreseen; a line says as much as a traceback.
        print(f"{error.filename or 'fedsilo'}: {error.strerror or error}.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
