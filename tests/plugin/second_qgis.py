"""Another QGIS at the same local copies: a process that does what its standard input says and tells how it went.

Lines in: ``pull``, ``open``, ``path``, ``quit``. Lines out: JSON objects.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsProject, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QObject, QSettings, Qt, pyqtSignal
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.layers import shown_path
from safestats.qgis_plugin.core.local_store import LocalStore
from safestats.qgis_plugin.core.network import QgisNetwork
from safestats.qgis_plugin.core.settings import DeskSettings


class Commands(QObject):
    """The lines of standard input, on the GUI thread."""

    came = pyqtSignal(str)

    def read(self) -> None:
        for line in sys.stdin:
            self.came.emit(line.strip())


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main(server: str, root: str, password: str, purpose: str) -> None:
    application = QgsApplication([], True)
    application.initQgis()
    settings = DeskSettings(QgsSettings(str(Path(root).parent / "second.ini"), QSettings.Format.IniFormat))
    desk = Desk(settings, LocalStore(Path(root)), QgisNetwork(), "0.1.0", QgsProject.instance())
    desk.shown_copies.letting_go.setInterval(300)

    def failed(error: Exception) -> None:
        say(failed=str(error), code=getattr(error, "code", ""))

    def shown() -> list[str]:
        return [str(shown_path(layer)) for layer in desk.layers()]

    def pull() -> None:
        task = desk.pull("colp", "colp", lambda result: say(pulled=result.kind.value), failed)
        task.reported.connect(lambda stage, _done, _total: say(stage=stage))

    def act(command: str) -> None:
        acts: dict[str, Callable[[], Any]] = {
            "pull": pull,
            "open": lambda: say(opened=str(shown_path(desk.open_layer("colp")))),
            "path": lambda: say(shown=shown(), rows=[layer.featureCount() for layer in desk.layers()]),
            "quit": QCoreApplication.quit,
        }
        acts[command]()

    desk.layer_opened.connect(lambda layer: say(layer=str(shown_path(layer))))
    desk.told.connect(lambda sentence: say(told=sentence))
    desk.steps.sign_in(
        server,
        "ada",
        password,
        lambda _session: desk.steps.accept(purpose, "", lambda _session: say(ready=True), failed),
        failed,
    )
    commands = Commands()
    commands.came.connect(act, Qt.ConnectionType.QueuedConnection)
    threading.Thread(target=commands.read, daemon=True).start()
    application.exec()
    desk.close()
    QgsProject.instance().clear()
    say(gone=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
