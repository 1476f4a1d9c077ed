"""A process of a comparison: reads run folders, one JSON line each, carries them out, answers with why they failed.

Started by `lanes`; it ends when its standard input does, so it does not outlive whoever started it by more than a run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Answers until there is no more to read."""
    # Whatever prints something on standard output must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole group; the process that asked ends this one when it has tidied up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from fedsilo.comparison.execution import attempt

    for line in sys.stdin:
        answers.write(json.dumps(attempt(Path(json.loads(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
