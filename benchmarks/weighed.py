"""``python -m safestats.benchmarks.weighed REPORT COMMAND…``: run a command and write its peak memory to a file.

Between a large process and the command stands this small one: Linux counts against a new process what the one that
starts it had, so that a benchmark full of rows would weigh itself.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """The peak, in bytes, of the largest process of the command; its status is the command's."""
    report, *command = sys.argv[1:]
    status = subprocess.run(command, check=False).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    Path(report).write_text(str(peak), encoding="ascii")
    sys.exit(status)


if __name__ == "__main__":
    main()
