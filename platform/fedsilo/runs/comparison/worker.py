"""A process of a comparison: reads run folders, one JSON line each, carries them out, answers with why they failed.

Started by `lanes`; it ends when its standard input does or, in the middle of a run, when whoever started it is gone:
nobody could go on with a run that somebody is still in.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    """Answers until there is no more to read."""
    # Whatever prints something on standard output must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole group; the process that asked ends this one when it has tidied up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    from fedsilo.runs.comparison.execute import attempt

    for line in sys.stdin:
        answers.write(json.dumps(attempt(Path(json.loads(line)))) + "\n")
        answers.flush()


def _leave_with(parent: int) -> None:
    """Ends this process when its parent has: it then has another one."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
