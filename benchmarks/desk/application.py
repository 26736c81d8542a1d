"""QGIS for as long as a measurement takes, and the answer to who started it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qgis.core import Qgis, QgsApplication

from ..measuring import Measure


def answer(measure: Callable[[dict[str, Any]], Sequence[Measure]], windows: bool = False) -> None:
    """Measure with the arguments of the command line (JSON) and print the outcome as one line of JSON.

    ``windows``: QGIS as it is with windows, wherever these are shown.
    """
    application = QgsApplication([], windows)
    application.initQgis()
    measures = measure(json.loads(sys.argv[1]))
    versions = {
        "QGIS": Qgis.QGIS_VERSION,
        "Python (desk)": platform.python_version(),
        "NumPy (desk)": np.__version__,
    }
    print(json.dumps({"measures": [one.to_json() for one in measures], "versions": versions}), flush=True)
    # QGIS's own way out takes seconds, or does not come to an end, with layers still open.
    os._exit(0)


def processing_run() -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """QGIS's own ``processing.run``, which lies among its plugins."""
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    import processing
    from processing.core.Processing import Processing

    Processing.initialize()
    return processing.run
