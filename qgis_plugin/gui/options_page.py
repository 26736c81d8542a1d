"""SafeStats in Settings → Options: the server, where local copies lie, the list of premises."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ..core.errors import AddressTrouble
from ..core.settings import LOCAL_ROOT_VARIABLE, DeskSettings
from ..core.transport import server_address
from .analysis_widgets import caption
from .icons import icon
from .server_field import ServerField
from .surfaces import GAP, MARGIN, Strip, Tone, small

KEY = "safestats"


class OptionsPage(QgsOptionsPageWidget):
    """The page itself; nothing is kept before ``apply``."""

    def __init__(
        self, settings: DeskSettings, version: str, show_help: Callable[[], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("SafeStatsOptions")
        self._settings = settings
        self.strip = Strip(self)
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

        self.server = QLineEdit(settings.server, self)
        self.server.setToolTip(self.tr("The address that the SafeStats team gave you; used at the next sign-in"))
        self.servers = ServerField(settings, self.server, self)
        self._forgotten: list[str] = []
        self.forget_button = QPushButton(self.tr("&Forget"), self)
        self.forget_button.setToolTip(self.tr("Offer this server no more; its local copies stay until they lapse"))
        self.forget_button.clicked.connect(self._forget)
        row = QHBoxLayout()
        row.addWidget(self.servers, 1)
        row.addWidget(self.forget_button)
        form.addRow(caption(self.tr("&Server"), self.servers), row)

        self.folder = QgsFileWidget(self)
        self.folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.folder.setDialogTitle(self.tr("Where local copies are kept"))
        self.folder.lineEdit().setPlaceholderText(str(settings.default_local_root))
        self.folder.setFilePath(settings.chosen_local_root)
        self.folder_note = QLabel(
            self.tr(
                "A folder on this computer's own disk; it is used from the next start of QGIS on. Copies stay where "
                "they were made: pull again afterwards."
            ),
            self,
        )
        if os.environ.get(LOCAL_ROOT_VARIABLE):
            self.folder.setFilePath(str(settings.local_root))
            self.folder.setEnabled(False)
            self.folder_note.setText(
                self.tr("Your IT department has set this folder ({variable}).").format(variable=LOCAL_ROOT_VARIABLE)
            )
        form.addRow(caption(self.tr("Local &copies"), self.folder.lineEdit()), self.folder)
        form.addRow("", self._remark(self.folder_note))

        self.premises = QgsFileWidget(self)
        self.premises.setStorageMode(QgsFileWidget.StorageMode.GetFile)
        self.premises.setDialogTitle(self.tr("The list of premises"))
        self.premises.setFilter(self.tr("CSV files (*.csv);;All files (*)"))
        self.premises.setFilePath(str(settings.premises_list or ""))
        form.addRow(caption(self.tr("List of &premises"), self.premises.lineEdit()), self.premises)
        form.addRow(
            "",
            self._remark(
                QLabel(
                    self.tr(
                        "A CSV with names and postcodes (or eastings and northings): the locator bar (Ctrl+K) finds "
                        "them. The list stays on this computer."
                    ),
                    self,
                )
            ),
        )

        self.help_button = QPushButton(self.tr("&Help on SafeStats"), self)
        self.help_button.clicked.connect(lambda: show_help())
        about = QLabel(self.tr("SafeStats {version}").format(version=version), self)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(GAP)
        column.addWidget(self.strip)
        column.addLayout(form)
        column.addWidget(self.help_button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(1)
        column.addWidget(self._remark(about))

    def isValid(self) -> bool:
        """Whether all can be kept; else a strip at the top says what cannot, and QGIS stays on the page."""
        self.strip.clear()
        trouble = self._trouble()
        if trouble:
            self.strip.say(trouble, Tone.TROUBLE)
        return not trouble

    def apply(self) -> None:
        """Keep what was entered."""
        if self._trouble():
            return
        for server in self._forgotten:
            self._settings.forget_server(server)
        self._settings.server = server_address(self.server.text())
        if self.folder.isEnabled():
            self._settings.chosen_local_root = self.folder.filePath().strip()
        listed = self.premises.filePath().strip()
        self._settings.premises_list = Path(listed) if listed else None

    def _forget(self) -> None:
        position = self.servers.findText(self.server.text())
        if position >= 0:
            self._forgotten.append(self.servers.itemText(position))
            self.servers.removeItem(position)
        self.server.setText(self.servers.itemText(0))

    def _trouble(self) -> str:
        try:
            server_address(self.server.text())
        except AddressTrouble as trouble:
            return trouble.sentence
        listed = self.premises.filePath().strip()
        if listed and not Path(listed).is_file():
            return self.tr("There is no file {path}: choose the list of premises again, or leave it empty.").format(
                path=listed
            )
        folder = self.folder.filePath().strip()
        if folder and not Path(folder).is_absolute():
            return self.tr("{path} is no whole path: choose the folder of local copies again.").format(path=folder)
        return ""

    def _remark(self, label: QLabel) -> QLabel:
        label.setWordWrap(True)
        small(label)
        return label


class OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page each time that QGIS shows its options."""

    def __init__(self, settings: DeskSettings, version: str, show_help: Callable[[], None]) -> None:
        super().__init__()
        self._settings, self._version, self._show_help = settings, version, show_help
        self.setTitle("SafeStats")
        self.setKey(KEY)

    def icon(self) -> QIcon:
        """Beside the page's name."""
        return icon("safestats")

    def createWidget(self, parent: QWidget | None = None) -> OptionsPage:
        """The page, which QGIS owns."""
        return OptionsPage(self._settings, self._version, self._show_help, parent)
