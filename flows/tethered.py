"""`python -m flows.tethered MODULE ARGUMENTS`: run a module as `python -m` does, and end with whoever started it.

Its standard input is a pipe that its parent holds open. The kernel closes that when the parent is gone, however it
ended: so a server that was started for the length of a run does not outlive a run that was killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 10.0  # between asking the module to end and killing it


def end_with_parent() -> None:
    """Wait for the end of the standard input, then end this process."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the named module."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
