"""A process of a comparison. It reads run folders, one JSON line each, executes them, and answers with an error or "".

`worker_pool` starts it. It ends when its standard input ends or, during a run, when its parent process has died;
otherwise it would block the run's folder for a process that resumes the run.
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
    """Answers until its standard input ends."""
    # Other text on standard output must not be read as an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ctrl-C reaches the whole process group; the parent ends this process after its own clean-up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    from fedsilo.runs.comparison.execute import attempt

    for line in sys.stdin:
        answers.write(json.dumps(attempt(Path(json.loads(line)))) + "\n")
        answers.flush()


def _end_with_parent(parent: int) -> None:
    """Ends this process when its parent has ended; it then has another parent."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
