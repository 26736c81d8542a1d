"""Publishing a layer: choose it, say what its columns mean, read the server's report, release it or drop it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ....shared.uploads import UploadState
from ...core import publishing
from ...core.column_suggestions import Column
from ...core.desk import Desk
from ...core.errors import Cancelled, DeskError
from ...core.layer_rows import LayerRows, values_of
from ...core.publishable import Publishable, ask_publishables
from ...core.publishing import Choice, Upload
from ...core.tasks import DeskTask
from ..icons import icon
from ..screens import within
from ..surfaces import MARGIN, Strip, Tone, heading
from .columns_page import ColumnsPage
from .layer_page import LayerPage
from .report_page import ReportPage

_SIZE = QSize(760, 680)


class PublishLayerDialog(QDialog):
    """Three pages. While something runs it shows how far it is, and can be stopped; QGIS goes on.

    Closed before the load is done, the load is cancelled. What is staged stays staged until it is published or
    dropped, here or in the console.
    """

    def __init__(self, desk: Desk, iface: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._closed = False
        self._task: DeskTask | None = None
        self._counting: DeskTask | None = None
        self._counted: dict[str, Counter[str]] = {}
        self._layer: QgsVectorLayer | None = None
        self._publishable: Publishable | None = None
        self._upload: Upload | None = None
        self._features: list[int] = []
        self.setObjectName("SafeStatsPublishLayer")
        self.setWindowTitle(self.tr("Publish a layer"))
        self.setWindowIcon(icon("safestats"))
        self.resize(within(_SIZE, self))

        self._heading = heading(QLabel(self), 1.2)
        self.layer_page = LayerPage(desk.project, self)
        self.columns_page = ColumnsPage(self)
        self.report_page = ReportPage(iface, self)
        self.pages = QStackedWidget(self)
        for page in (self.layer_page, self.columns_page, self.report_page):
            self.pages.addWidget(page)
        self.strip = Strip(self)
        self.progress = QProgressBar(self)
        self.progress.setAccessibleName(self.tr("How far it is"))
        self.progress.hide()
        self.buttons = QDialogButtonBox(self)
        role = QDialogButtonBox.ButtonRole.ActionRole
        self.back_button = self._button(self.tr("Back"), role, self.go_back)
        self.stop_button = self._button(self.tr("Stop"), role, self.stop)
        self.drop_button = self._button(self.tr("Drop"), role, self.drop)
        self.next_button = self._button("", role, self.go_on)
        self.close_button = self.buttons.addButton(QDialogButtonBox.StandardButton.Close)
        self.close_button.setAutoDefault(False)
        self.buttons.setFocusProxy(None)  # it is the first button, and Tab would stop where that is hidden
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(MARGIN)
        column.addWidget(self._heading)
        column.addWidget(self.pages, 1)
        column.addWidget(self.strip)
        column.addWidget(self.progress)
        column.addWidget(self.buttons)
        self.layer_page.changed.connect(self._update)
        self.columns_page.changed.connect(self._update)
        self.columns_page.values_wanted.connect(self._count_values)
        desk.project.layersWillBeRemoved.connect(self._layers_going)
        self._ask_datasets()
        self._update()

    # ------------------------------------------------------------------ what a person does

    def go_on(self) -> None:
        """The next step of the page that is shown."""
        self.strip.clear()
        page = self.pages.currentWidget()
        if page is self.layer_page:
            self._to_columns()
        elif page is self.columns_page:
            self._send()
        else:
            self._publish()

    def go_back(self) -> None:
        """To the page before."""
        self.strip.clear()
        self.pages.setCurrentIndex(self.pages.currentIndex() - 1)
        self._update()

    def stop(self) -> None:
        """Stop what runs."""
        if self._task is not None:
            self._task.cancel()

    def drop(self) -> None:
        """Let the server drop what was loaded."""
        upload = self._upload
        if upload is None:
            return
        transport = self._transport()
        if transport is not None:
            self._start(
                self.tr("Dropping what was loaded"),
                lambda task: publishing.drop(transport, upload, cancelled=task.isCanceled),
                self._dropped,
            )

    def reject(self) -> None:
        """Stop what runs and close."""
        self._closed = True
        for task in (self._task, self._counting):
            if task is not None:
                task.cancel()
        super().reject()

    # ------------------------------------------------------------------ from page to page

    def _ask_datasets(self) -> None:
        transport = self._transport()
        if transport is not None:
            self._start(
                self.tr("Asking what you may publish"),
                lambda task: ask_publishables(transport, cancelled=task.isCanceled),
                self._offered,
            )

    def _offered(self, publishables: list[Publishable]) -> None:
        self.layer_page.offer(publishables)
        self._update()

    def _to_columns(self) -> None:
        layer, publishable = self.layer_page.layer, self.layer_page.publishable
        if layer is None or publishable is None:
            return
        if (layer, publishable) != (self._layer, self._publishable):
            self._layer, self._publishable = layer, publishable
            self._counted = {}
            columns = [Column.of(field) for field in layer.fields()]
            self.columns_page.begin(publishable, columns)
        self.pages.setCurrentWidget(self.columns_page)
        self._update()

    def _layers_going(self, ids: list[str]) -> None:
        if self._closed or self._layer is None or self._layer.id() not in ids:
            return
        self._layer = self._publishable = None
        self.report_page.forget_layer()
        if self.pages.currentWidget() is self.columns_page:
            self.pages.setCurrentWidget(self.layer_page)
            self.strip.say(self.tr("The layer was removed from the project: choose another one."), Tone.NOTE)
        self._update()

    def _count_values(self) -> None:
        """Count the values of coded columns, which decide what there is to give codes to."""
        wanted = set(self.columns_page.coded().values())
        missing = sorted(wanted - set(self._counted))
        if self._counting is not None:
            self._counting.abandon()
            self._counting = None
        if not missing or self._layer is None:
            self.columns_page.show_values(self._counted)
            return
        rows = self._rows(self._layer)
        self._counting = self._desk.run(
            self.tr("Looking at the layer's values"),
            lambda task: values_of(rows, missing, task.isCanceled),
            self._values_counted,
            self._values_unknown,
        )
        self._update()

    def _values_counted(self, counted: dict[str, Counter[str]]) -> None:
        if self._closed:
            return
        self._counting = None
        self._counted.update(counted)
        self.columns_page.show_values(self._counted)
        self._update()

    def _values_unknown(self, error: DeskError) -> None:
        if self._closed:
            return
        self._counting = None
        self._failed(error)

    def _send(self) -> None:
        layer, publishable = self._layer, self._publishable
        transport = self._transport()
        if layer is None or publishable is None or transport is None:
            return
        page = self.layer_page
        choice = Choice(
            dataset=publishable.dataset,
            mapping=self.columns_page.mapping(page.precision.value()),
            site=page.site.text().strip() if publishable.sites else "",
            synthetic=page.synthetic_box.isChecked(),
            accept_withdrawals=publishable.replaces and page.withdrawals_box.isChecked(),
        )
        rows = self._rows(layer)
        if not publishable.points:
            rows = rows.without_places()

        def work(task: DeskTask) -> tuple[Upload, list[int]]:
            return publishing.send(transport, rows, choice, publishable.targets, task.report, task.isCanceled)

        self._start(self.tr("Publishing a layer: checking its rows"), work, self._checked)

    def _checked(self, answer: tuple[Upload, list[int]]) -> None:
        self._upload, self._features = answer
        self._tell(self._upload)
        if self._upload.state in (UploadState.STAGED, UploadState.UNCHANGED):
            self.pages.setCurrentWidget(self.report_page)
        self._update()

    def _publish(self) -> None:
        upload, features, transport = self._upload, self._features, self._transport()
        if upload is None or transport is None:
            return

        def work(task: DeskTask) -> Upload:
            return publishing.publish(transport, upload, features, task.report, task.isCanceled)

        self._start(self.tr("Publishing a layer"), work, self._published, self._not_waited_for)

    def _published(self, upload: Upload) -> None:
        self._upload = upload
        self._tell(upload)
        self._update()

    def _not_waited_for(self, error: DeskError) -> None:
        if isinstance(error, Cancelled):
            error = DeskError(self.tr("The server goes on publishing it: the console tells how far it is."))
            self._upload = None
        self._failed(error)

    def _dropped(self, _result: None) -> None:
        self._upload = None
        self.pages.setCurrentWidget(self.columns_page)
        self.strip.say(self.tr("What was loaded is dropped: nothing has changed for anybody."), Tone.NOTE)
        self._update()

    def _tell(self, upload: Upload) -> None:
        self.report_page.tell(upload, self._layer)
        if upload.state is UploadState.PUBLISHED:
            self.strip.say(
                self.tr("Release {number} is published: people get it with their next pull.").format(
                    number=upload.release
                ),
                Tone.GOOD,
            )
        elif upload.state is UploadState.UNCHANGED:
            self.strip.say(self.tr("Nothing changed: all of it was held already."), Tone.NOTE)
        elif upload.state is not UploadState.STAGED:
            self.strip.say(upload.message, Tone.TROUBLE)
        elif upload.others_staged:
            self.strip.say(
                self.tr("{number} other deliveries are staged too, and will be published with it.").format(
                    number=upload.others_staged
                ),
                Tone.WARNING,
            )
        elif upload.report is not None and upload.report.counts["withdrawn"]:
            self.strip.say(
                self.tr("Look at the number withdrawn before you publish: these incidents leave every copy."),
                Tone.WARNING,
            )
        else:
            self.strip.say(self.tr("Nobody sees it yet: publish it, or drop it."), Tone.NOTE)

    # ------------------------------------------------------------------ inside

    def _rows(self, layer: QgsVectorLayer) -> LayerRows:
        return LayerRows.of(layer, self._desk.project.transformContext(), self.layer_page.only_selected)

    def _transport(self):
        try:
            return self._desk.transport
        except DeskError as error:
            self.strip.say(error.sentence, Tone.TROUBLE)
            return None

    def _start(self, description: str, work, done, failed=None) -> None:
        def arrived(result: Any) -> None:
            if not self._closed:
                self._task = None
                done(result)
                self._update()

        self.strip.clear()
        self._task = self._desk.run(description, work, arrived, failed or self._failed)
        self._task.reported.connect(self._show_progress)
        self._show_progress(description, 0, 0)
        self._update()

    def _failed(self, error: DeskError) -> None:
        if self._closed:
            return
        self._task = None
        tone = Tone.NOTE if isinstance(error, Cancelled) else Tone.TROUBLE
        self.strip.say(error.sentence, tone)
        self._update()

    def _show_progress(self, stage: str, done: float, total: float) -> None:
        self.progress.setRange(0, 1000 if total else 0)
        self.progress.setValue(int(1000 * done / total) if total else 0)
        self.progress.setFormat(stage)
        self.progress.setToolTip(stage)

    def _button(self, words: str, role: QDialogButtonBox.ButtonRole, act) -> QPushButton:
        button = QPushButton(words, self)
        button.setAutoDefault(False)
        button.clicked.connect(act)
        self.buttons.addButton(button, role)
        return button

    def _update(self) -> None:
        page, idle = self.pages.currentWidget(), self._task is None
        staged = self._upload is not None and self._upload.state is UploadState.STAGED
        titles = {
            self.layer_page: (self.tr("Which layer, to which dataset?"), self.tr("Next")),
            self.columns_page: (self.tr("What do its columns mean?"), self.tr("Check with the server")),
            self.report_page: (self.tr("What became of its rows"), self.tr("Publish")),
        }
        words, action = titles[page]
        self._heading.setText(words)
        self.next_button.setText(action)
        self.pages.setEnabled(idle)
        self.progress.setVisible(not idle)
        self.stop_button.setVisible(not idle)
        self.back_button.setVisible(page is not self.layer_page and not (page is self.report_page and staged))
        self.back_button.setEnabled(idle)
        self.drop_button.setVisible(page is self.report_page and staged)
        self.drop_button.setEnabled(idle)
        self.next_button.setVisible(page is not self.report_page or staged)
        ready = {
            self.layer_page: self.layer_page.layer is not None and self.layer_page.publishable is not None,
            self.columns_page: not self.columns_page.missing and self._counting is None,
            self.report_page: staged,
        }
        self.next_button.setEnabled(idle and ready[page])
        missing = self.columns_page.missing if page is self.columns_page else []
        self.next_button.setToolTip(
            self.tr("Choose a column for: {titles}").format(titles=", ".join(one.title for one in missing))
            if missing
            else ""
        )
