"""What was counted, as the explore dock shows it: a table, boroughs beside others, and what a reader must know."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..core.desk import Desk
from ..core.explore.area_sets import AreaSets
from ..core.explore.counting import Counted
from ..core.explore.elsewhere import NOTHING, Elsewhere
from ..core.explore.pivot import Across, Lines, Pivot, lines_of, pivot
from ..core.explore.rates import Base, Bases, Beside, Compared, boroughs_of, compare
from ..core.explore.selection import By
from ..core.explore.wording import area_words, category_words, period_words
from .analysis_widgets import caption
from .choice_form import narrow
from .explore_table import ByNumber, PivotModel
from .icons import icon
from .surfaces import GAP, heading, plain, small

_LINES_AT_ONCE = 2_000  # of the table, without making the window wait
_MOST_COMPARED = 9  # lines, before they are scrolled


class ExploreResults(QWidget):
    """Hidden until something was counted; ``map_asked`` and ``export_asked`` are what its buttons ask for."""

    map_asked = pyqtSignal()
    export_asked = pyqtSignal()

    def __init__(self, desk: Desk, sets: AreaSets, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._sets = sets
        self.bases = Bases()
        self.counted: Counted | None = None
        self.beside: tuple[Compared, ...] = ()  # what is shown beside others
        self._elsewhere = NOTHING
        self._build()

    @property
    def base(self) -> Base | None:
        """What counts are divided by, if anything."""
        return self.base_box.currentData()

    def take(self, counted: Counted) -> None:
        """Show what was counted."""
        self.counted, self._elsewhere = counted, NOTHING
        self._fill_bases()
        self.show()
        self.export_button.setEnabled(True)

    def take_bases(self, bases: Bases) -> None:
        """Offer what counts can be divided by."""
        self.bases = bases
        self._fill_bases()

    def take_elsewhere(self, elsewhere: Elsewhere) -> None:
        """Show what the server answers of boroughs that the copy does not hold."""
        self._elsewhere = elsewhere
        if self.counted is not None:
            self._show_compared(self.counted)

    def clear(self) -> None:
        """Show nothing."""
        self.counted, self.beside = None, ()
        self.hide()
        self.map_button.setEnabled(False)
        self.export_button.setEnabled(False)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, GAP, 0, 0)
        column.setSpacing(GAP)
        self.headline = heading(plain(QLabel(self)), 1.3)
        self.headline.setWordWrap(True)
        self.question = small(plain(QLabel(self)))
        self.question.setWordWrap(True)
        column.addWidget(self.headline)
        column.addWidget(self.question)
        self.base_box = QComboBox(self)
        self.base_box.setToolTip(self.tr("What counts are divided by, with its edition; without one there is no rate"))
        narrow(self.base_box)
        self.base_box.currentIndexChanged.connect(self._show)
        self.lines_box = self._choice((self.tr("areas"), Lines.AREAS), (self.tr("categories"), Lines.CATEGORIES),
                                      (self.tr("areas and categories"), Lines.BOTH))  # fmt: skip
        self.across_box = self._choice((self.tr("months"), Across.MONTHS), (self.tr("categories"), Across.CATEGORIES),
                                       (self.tr("sums only"), Across.NOTHING))  # fmt: skip
        form = QFormLayout()
        form.setSpacing(GAP)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(caption(self.tr("Rates"), self.base_box), self.base_box)
        layout_row = QHBoxLayout()
        layout_row.addWidget(self.lines_box, 1)
        layout_row.addWidget(QLabel(self.tr("by"), self))
        layout_row.addWidget(self.across_box, 1)
        form.addRow(caption(self.tr("Table"), self.lines_box), layout_row)
        column.addLayout(form)
        self.model = PivotModel(self)
        sorted_model = ByNumber(self)
        sorted_model.setSourceModel(self.model)
        self.table = QTableView(self)
        self.table.setModel(sorted_model)
        self.table.setSortingEnabled(True)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setAlternatingRowColors(True)
        self.table.setTabKeyNavigation(False)  # Tab leads on, out of the table
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + GAP)
        self.table.setAccessibleName(self.tr("Counts"))
        self.table.setMinimumHeight(11 * self.fontMetrics().height())
        self.table.setWordWrap(False)
        column.addWidget(self.table, 1)
        self.compared = QTreeWidget(self)
        self.compared.setAccessibleName(self.tr("Beside London and neighbouring boroughs"))
        self.compared.setHeaderLabels([self.tr("Beside others"), self.tr("Incidents"), self.tr("Rate")])
        self.compared.setRootIsDecorated(False)
        self.compared.header().setStretchLastSection(False)
        self.compared.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.compared.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        column.addWidget(self.compared)
        self.notes = small(plain(QLabel(self)))
        self.notes.setWordWrap(True)
        column.addWidget(self.notes)
        self.map_button = QPushButton(self.tr("Map of it"), self)
        self.map_button.setToolTip(self.tr("The areas on the map, in classes of counts or of the rate chosen"))
        self.map_button.clicked.connect(self.map_asked)
        self.export_button = QPushButton(icon("print"), self.tr("E&xport …"), self)
        self.export_button.setToolTip(self.tr("Save as CSV or XLSX, where your agreement grants export; it is audited"))
        self.export_button.clicked.connect(self.export_asked)
        row = QHBoxLayout()
        row.addWidget(self.map_button)
        row.addStretch(1)
        row.addWidget(self.export_button)
        column.addLayout(row)
        self.hide()

    def _choice(self, *items: tuple[str, object]) -> QComboBox:
        box = QComboBox(self)
        for words, value in items:
            box.addItem(words, value)
        narrow(box)
        box.setMinimumContentsLength(6)
        box.setAccessibleName(self.tr("Layout of the table"))
        box.currentIndexChanged.connect(self._show)
        return box

    # ------------------------------------------------------------------ what is shown

    def _fill_bases(self) -> None:
        if self.counted is None:
            return
        blocked = self.base_box.blockSignals(True)
        before = self.base_box.currentData()
        self.base_box.clear()
        bases = self.bases.of(self.counted.asked.by) if self.counted.additive else ()
        self.base_box.addItem(self.tr("counts only") if bases else self.tr("no denominator: no rates"), None)
        for base in bases:
            self.base_box.addItem(base.title, base)
            self.base_box.setItemData(self.base_box.count() - 1, base.source, Qt.ItemDataRole.ToolTipRole)
            if before is not None and before.kind == base.kind:
                self.base_box.setCurrentIndex(self.base_box.count() - 1)
        self.base_box.setEnabled(bool(bases))
        self.base_box.blockSignals(blocked)
        self._show()

    def _show(self, *_index: object) -> None:
        counted = self.counted
        if counted is None:
            return
        if counted.additive:
            words = self.tr("{number:,} incidents") if counted.total != 1 else self.tr("{number:,} incident")
            self.headline.setText(words.format(number=counted.total))
        else:
            self.headline.setText(self.tr("Numbers of people: not added up"))
        asked = counted.asked
        told = [category_words(asked), area_words(asked, self._sets), period_words(asked)]
        told += [asked.hours.words] if asked.hours else []
        title = counted.facts.title + (self.tr(" (synthetic)") if counted.facts.synthetic else "")
        self.question.setText(f"{title}: {', '.join(told)}")
        self._lay_out(counted)
        for box in (self.lines_box, self.across_box):
            box.setEnabled(counted.additive)
        self._show_compared(counted)
        notes = [*counted.notes, self.tr("Boundaries: {edition}.").format(edition=counted.edition)]
        if self.base is not None:
            notes.append(
                self.tr("Denominator: {title}; {source}.").format(title=self.base.title, source=self.base.source)
            )
            notes.append(self.tr("Rates are of the whole period, not of a year."))
        self.notes.setText("\n".join(notes if counted.edition else counted.notes))
        self.map_button.setEnabled(counted.additive and asked.by is not By.WHOLE)

    def _lay_out(self, counted: Counted) -> None:
        """Fill the table, in a task where it is long."""
        chosen = (self.lines_box.currentData(), self.across_box.currentData(), self.base)

        def show(table: Pivot) -> None:
            if counted is self.counted and chosen == (
                self.lines_box.currentData(),
                self.across_box.currentData(),
                self.base,
            ):
                self.model.show(table)
                self.table.resizeColumnsToContents()

        bases = self.bases
        if lines_of(counted, chosen[0]) <= _LINES_AT_ONCE:
            show(pivot(counted, *chosen, bases))
        else:
            self._desk.run(self.tr("Laying out the table"), lambda _task: pivot(counted, *chosen, bases), show)

    def _show_compared(self, counted: Counted) -> None:
        self.compared.clear()
        self.beside = ()
        base = self.base
        if base is not None and base.by is not By.BOROUGH:
            base = next((one for one in self.bases.of(By.BOROUGH) if one.kind == base.kind), None)
        if counted.boroughs:
            chosen = boroughs_of(counted.asked, self._sets)
            self.beside = compare(counted, chosen, base, self.bases, self._sets, self._elsewhere)
        for one in self.beside:
            name = one.name if one.beside is not Beside.PEER else self.tr("{name} (neighbour)").format(name=one.name)
            about = "≈ " if one.about else ""
            number = "–" if one.count is None else f"{about}{one.count:,}"
            rate = "–" if one.rate is None else f"{about}{one.rate:,.1f}"
            item = QTreeWidgetItem([f"{name} *" if one.caution else name, number, rate])
            for at in range(3):
                item.setToolTip(at, one.caution)
                if at:
                    item.setTextAlignment(at, Qt.AlignmentFlag.AlignRight)
            self.compared.addTopLevelItem(item)
        lines = min(len(self.beside), _MOST_COMPARED)  # as high as it needs to be
        row = max(self.compared.sizeHintForRow(0), self.fontMetrics().height())
        edges = self.compared.header().sizeHint().height() + 2 * self.compared.frameWidth()
        self.compared.setFixedHeight(lines * row + edges)
        self.compared.setVisible(bool(self.beside))
