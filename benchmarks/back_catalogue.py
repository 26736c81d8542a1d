"""``python -m safestats.benchmarks.back_catalogue FOLDER [ROWS]``: move ROWS synthetic rows in; rate and memory.

The server is the one that the environment names (SAFESTATS_DATA_DIR, and PostgreSQL's addresses where they are set),
made by ``safestats init``, without incidents of the Met's. FOLDER must be new.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ..sync_server.sample.city import build_city
from ..sync_server.sample.police import write_met
from ..sync_server.settings import Settings

_ROWS_A_YEAR = 100_000
_PLAN = """[plan]
name = "benchmark"
publish = "no"
[[load]]
dataset = "mps"
files = ["mps/*.zip"]
"""


def main(folder: Path, rows: int) -> None:
    """Write the files, move them in with a process of its own, print what it took."""
    (folder / "mps").mkdir(parents=True)
    city = build_city(Settings().resources_dir, np.random.default_rng(1))
    for number, left in enumerate(range(rows, 0, -_ROWS_A_YEAR)):
        count = min(left, _ROWS_A_YEAR)
        write_met(folder / "mps", 2015 + number, count, city, np.random.default_rng([1, number]))
    plan = folder / "plan.toml"
    plan.write_text(_PLAN, encoding="utf-8")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "safestats.sync_server.cli", "migrate", str(plan)], check=True)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{rows:,} incidents in {seconds:.1f} s: {rows / seconds:,.0f} a second, start-up included; processor "
        f"{used.ru_utime + used.ru_stime:.1f} s, peak memory {used.ru_maxrss / 1024:,.0f} MiB"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300_000)
