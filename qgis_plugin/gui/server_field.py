"""A field for a server's address that offers those at which somebody has signed in, or that IT has set."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QComboBox, QLineEdit, QWidget

from ..core.settings import DeskSettings


class ServerField(QComboBox):
    """``field`` is the line in it, as the page has made it."""

    def __init__(self, settings: DeskSettings, field: QLineEdit, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        typed, longest = field.text(), field.maxLength()
        self.field = field
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.addItems(settings.servers)
        self.setEditable(True)
        self.setLineEdit(field)
        field.setMaxLength(longest)
        self.setEditText(typed)
        self.setAccessibleName(field.accessibleName())
        self.setMinimumContentsLength(10)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
