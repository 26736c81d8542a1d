"""The form of the explore dock: months or days, hours, a tree of categories, areas; as a question and from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from qgis.core import QgsGeometry, QgsMapLayerProxyModel, QgsProject
from qgis.gui import QgsCheckableComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import QDate, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDateEdit,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from ...shared.rings import OwnBand
from ..core.analysis_error import AnalysisError
from ..core.explore.area_sets import AreaSet, Place
from ..core.explore.copy_table import CopyTable
from ..core.explore.selection import By, Selection, Within, whole_or_days
from ..core.explore.wording import BY_WORDS
from ..core.needed import needed
from ..core.periods import DaySpan, Period, latest_year
from ..core.study_areas import polygon_area
from .analysis_widgets import MonthRange, caption
from .surfaces import GAP

_VALUE = Qt.ItemDataRole.UserRole
_SELECTED = "selected"  # polygons of a layer: a shape, too
_TREE_LINES = 7
_ISO = "yyyy-MM-dd"


class ChoicesForm(QWidget):
    """``area_changed()``: another kind of area is asked for; ``draw_asked()``: an area is to be drawn on the map."""

    area_changed = pyqtSignal()
    draw_asked = pyqtSignal()

    def __init__(self, project: QgsProject, boroughs: Mapping[str, str], parent: QWidget | None = None) -> None:
        """``boroughs``: names by code."""
        super().__init__(parent)
        self._project = project
        self._table: CopyTable | None = None
        self._refined_by = ""
        self._drawn = QgsGeometry()
        self._brought = ""
        self._lsoas: Mapping[str, Place] = {}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setSpacing(GAP)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.months = MonthRange(self)
        self._form.addRow(caption(self.tr("Per&iod"), self.months), self.months)
        self._build_days()
        self._build_hours()
        self._build_tree()
        self._build_areas(boroughs)

    # ------------------------------------------------------------------ building

    def _build_days(self) -> None:
        self.days_check = QCheckBox(self.tr("Days"), self)
        self._days = QWidget(self)
        self.first_day, self.last_day = QDateEdit(self._days), QDateEdit(self._days)
        named = ((self.first_day, self.tr("From this day")), (self.last_day, self.tr("To this day, included")))
        for box, name in named:
            box.setCalendarPopup(True)
            box.setDisplayFormat("d MMM yyyy")
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.dateChanged.connect(self._months_of_days)
        row = QHBoxLayout(self._days)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.first_day, 1)
        row.addWidget(QLabel(self.tr("to"), self._days))
        row.addWidget(self.last_day, 1)
        self._days.setEnabled(False)
        self.days_check.toggled.connect(self._days.setEnabled)
        self.days_check.toggled.connect(self.months.setDisabled)
        self.months.changed.connect(self._days_of_months)
        self._form.addRow(self.days_check, self._days)

    def _days_of_months(self) -> None:
        """Those of the months chosen, to be narrowed; days that were chosen stay."""
        first, last = self.months.shown()
        if self.days_check.isChecked() or not first or not last:
            return
        days = Period(min(first, last), max(first, last)).days
        self.first_day.setDate(QDate.fromString(days.first, _ISO))
        self.last_day.setDate(QDate.fromString(days.last, _ISO))

    def _months_of_days(self) -> None:
        """The months beside them are those that the days are of."""
        if self.days_check.isChecked() and self.first_day.date() <= self.last_day.date():
            self.months.choose(self._span().period)

    def _span(self) -> DaySpan:
        return DaySpan(self.first_day.date().toString(_ISO), self.last_day.date().toString(_ISO))

    def _build_hours(self) -> None:
        self.hours_check = QCheckBox(self.tr("Ho&urs"), self)
        self._hours = QWidget(self)
        self.first_hour, self.last_hour = QSpinBox(self._hours), QSpinBox(self._hours)
        for box, name, suffix in (
            (self.first_hour, self.tr("From this hour"), ":00"),
            (self.last_hour, self.tr("To the end of this hour"), ":59"),
        ):
            box.setRange(0, 23)
            box.setSuffix(suffix)
            box.setAccessibleName(name)
            box.setToolTip(name)
        self.days = QgsCheckableComboBox(self._hours)
        self.days.setAccessibleName(self.tr("Days on which the hours begin"))
        self.days.setToolTip(self.tr("Days on which the hours begin; after midnight is still the day before"))
        self.days.setDefaultText(self.tr("no day"))
        _narrow(self.days, 5)
        names = (
            *(self.tr("Mon"), self.tr("Tue"), self.tr("Wed"), self.tr("Thu"), self.tr("Fri")),
            *(self.tr("Sat"), self.tr("Sun")),
        )
        for number, day in enumerate(names):
            self.days.addItemWithCheckState(day, Qt.CheckState.Checked, number)
        self._usual_hours()
        row = QHBoxLayout(self._hours)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.first_hour)
        row.addWidget(QLabel(self.tr("to"), self._hours))
        row.addWidget(self.last_hour)
        row.addWidget(self.days, 1)
        self._hours.setEnabled(False)
        self.hours_check.toggled.connect(self._hours.setEnabled)
        self._form.addRow(self.hours_check, self._hours)

    def _usual_hours(self) -> None:
        """The night of any day."""
        self.first_hour.setValue(18)
        self.last_hour.setValue(5)
        for number in range(self.days.count()):
            self.days.setItemCheckState(number, Qt.CheckState.Checked)

    def _build_tree(self) -> None:
        self.tree = QTreeWidget(self)
        self.tree.setColumnCount(2)
        self.tree.setHeaderLabels([self.tr("Category"), self.tr("in the copy")])
        self.tree.setToolTip(self.tr("Tick what to count; nothing ticked means everything"))
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(0, self.tree.header().ResizeMode.Stretch)
        self.tree.header().setSectionResizeMode(1, self.tree.header().ResizeMode.ResizeToContents)
        line = self.fontMetrics().height() + 6
        self.tree.setFixedHeight(line * _TREE_LINES)
        self._form.addRow(caption(self.tr("Cate&gories"), self.tree), self.tree)

    def _build_areas(self, boroughs: Mapping[str, str]) -> None:
        self.area_box = QComboBox(self)
        for words, value in (
            (self.tr("Everywhere in the copy"), Within.ALL.value),
            (self.tr("Boroughs"), Within.BOROUGHS.value),
            (self.tr("Wards"), Within.WARDS.value),
            (self.tr("LSOAs"), Within.LSOAS.value),
            (self.tr("An area drawn on the map"), Within.SHAPE.value),
            (self.tr("Polygons of a layer (selected ones)"), _SELECTED),
        ):
            self.area_box.addItem(words, value)
        _narrow(self.area_box)
        self._form.addRow(caption(self.tr("Withi&n"), self.area_box), self.area_box)
        self.borough_box = self._ticked(self.tr("Choose boroughs"), self.tr("Boroughs"))
        for code, name in sorted(boroughs.items(), key=lambda item: item[1]):
            self.borough_box.addItemWithCheckState(name, Qt.CheckState.Unchecked, code)
        self.ward_box = self._ticked(self.tr("Choose wards"), self.tr("Wards"))
        self.lsoa_edit = QLineEdit(self)
        self.lsoa_edit.setPlaceholderText(self.tr("codes, such as E01000907, or names, divided by commas"))
        self.lsoa_edit.setAccessibleName(self.tr("LSOAs"))
        self.draw_button = QPushButton(self.tr("Draw …"), self)
        self.draw_button.setCheckable(True)
        self.draw_button.setToolTip(self.tr("Click the corners on the map, then click right"))
        self.draw_button.clicked.connect(self.draw_asked)
        self.polygon_box = QgsMapLayerComboBox(self)
        self.polygon_box.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.polygon_box.setProject(self._project)
        self.polygon_box.setAccessibleName(self.tr("Layer of polygons"))
        self.polygon_box.setToolTip(self.tr("The selected polygons of this layer, or all of them"))
        _narrow(self.polygon_box)
        self._stack = QStackedWidget(self)
        self._pages = {
            Within.BOROUGHS.value: self.borough_box, Within.WARDS.value: self.ward_box,
            Within.LSOAS.value: self.lsoa_edit, Within.SHAPE.value: self.draw_button, _SELECTED: self.polygon_box,
        }  # fmt: skip
        for page in self._pages.values():
            self._stack.addWidget(page)
        self._stack.setFixedHeight(self.borough_box.sizeHint().height())
        self._form.addRow("", self._stack)
        self._stack.hide()
        self.by_box = QComboBox(self)
        for by in (By.BOROUGH, By.WARD, By.LSOA, By.WHOLE):
            self.by_box.addItem(BY_WORDS[by], by)
        self.by_box.setToolTip(self.tr("The areas that the table and the map tell"))
        self._form.addRow(caption(self.tr("Count &by"), self.by_box), self.by_box)
        self.area_box.currentIndexChanged.connect(self._area_chosen)
        self.by_box.currentIndexChanged.connect(self.area_changed)

    def _ticked(self, hint: str, name: str) -> QgsCheckableComboBox:
        box = QgsCheckableComboBox(self)
        box.setDefaultText(hint)
        box.setAccessibleName(name)
        _narrow(box)
        return box

    # ------------------------------------------------------------------ what can be chosen

    def set_table(self, table: CopyTable | None) -> None:
        """Offer what a copy shows; nothing where there is none."""
        self._table = table
        self._refined_by = ""
        self.tree.clear()
        self.days_check.setChecked(False)  # they were of another layer
        if table is None:
            self.months.set_held("", "", None)
            return
        first, newest = table.facts.first_period, table.facts.newest_period[:7]
        held = table.held
        if held is not None:
            for box in (self.first_day, self.last_day):
                box.setDateRange(QDate.fromString(held.first, _ISO), QDate.fromString(held.last, _ISO))
        self.months.set_held(first, newest, latest_year([m for m in (first, newest) if m]))
        for box, told, use, lacking in (
            (
                self.days_check,
                table.dated,
                self.tr("Count from one day to another, instead of whole months; incidents without a day are left out"),
                self.tr("Your copy of this layer does not tell days: only whole months can be asked for"),
            ),
            (
                self.hours_check,
                table.timed,
                self.tr("Count only some hours of the day; incidents without an hour are left out"),
                self.tr("Your copy of this layer does not tell hours"),
            ),
        ):
            box.setEnabled(told)
            box.setToolTip(use if told else lacking)
            if not told:
                box.setChecked(False)
        for box, choices in (
            (self.area_box, {**{w.value: w for w in Within}, _SELECTED: Within.SHAPE}),
            (self.by_box, None),
        ):
            for row in range(box.count()):
                value = box.itemData(row)
                item = box.model().item(row)
                item.setEnabled(table.can(choices[value] if choices else value))
            if not box.model().item(box.currentIndex()).isEnabled():
                box.setCurrentIndex(next(row for row in range(box.count()) if box.model().item(row).isEnabled()))

    def reset(self) -> None:
        """As nobody had chosen anything: what one person asked is not the next one's to see."""
        self.days_check.setChecked(False)
        self._days_of_months()
        self.hours_check.setChecked(False)
        self._usual_hours()
        for box in (self.borough_box, self.ward_box):
            for row in range(box.count()):
                box.setItemCheckState(row, Qt.CheckState.Unchecked)
        self.lsoa_edit.clear()
        self._drawn = QgsGeometry()
        self.draw_button.setText(self.tr("Draw …"))
        self.area_box.setCurrentIndex(0)
        self.by_box.setCurrentIndex(0)

    def renew(self, table: CopyTable) -> None:
        """The same copy, of which more is known: what is chosen stays."""
        self._table = table

    def set_tree(self, refined_by: str, pairs: Sequence[tuple[str, str, int]]) -> None:
        """The categories that occur, with finer ones below them where a column refines them."""
        self._refined_by = refined_by
        self.tree.clear()
        sums: dict[str, int] = {}
        for category, _finer, rows in pairs:
            sums[category] = sums.get(category, 0) + rows
        for category, rows in sorted(sums.items(), key=lambda item: -item[1]):
            item = self._leaf(category, rows)
            self.tree.addTopLevelItem(item)
            for of, finer, number in pairs:
                if refined_by and of == category:
                    item.addChild(self._leaf(finer, number))
            if item.childCount():
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsAutoTristate)
        self.tree.setRootIsDecorated(bool(refined_by))

    def set_wards(self, wards: AreaSet, chosen: Collection[str] = ()) -> None:
        """The wards that the server has loaded."""
        ticked = set(chosen) or set(self.ward_box.checkedItemsData())
        self.ward_box.clear()
        for code, place in wards.places.items():
            state = Qt.CheckState.Checked if code in ticked else Qt.CheckState.Unchecked
            self.ward_box.addItemWithCheckState(place.name, state, code)

    def set_lsoas(self, lsoas: Mapping[str, Place]) -> None:
        """The LSOAs that may be named."""
        self._lsoas = lsoas

    def set_drawn(self, shape: QgsGeometry, brought: str = "") -> None:
        """The area that was drawn, in EPSG:27700, and how it came there in words."""
        self._drawn, self._brought = shape, brought
        self.draw_button.setChecked(False)
        words = self.tr("Drawn: {km2:,.2f} km² – draw again …").format(km2=shape.area() / 1e6)
        self.draw_button.setText(words)

    @property
    def needs_wards(self) -> bool:
        """Whether what is chosen is of wards."""
        return self.area_box.currentData() == Within.WARDS.value or self.by_box.currentData() is By.WARD

    def _area_chosen(self) -> None:
        page = self._pages.get(self.area_box.currentData())
        if page is not None:
            self._stack.setCurrentWidget(page)
        self._stack.setVisible(page is not None)
        self.area_changed.emit()

    # ------------------------------------------------------------------ the question

    def question(self) -> Selection:
        """What is asked; raises ``AnalysisError`` where a choice cannot be used. On the window's thread."""
        if self._table is None:
            raise AnalysisError(
                self.tr("No layer is chosen: open one in the layers dock first, then choose it here."), "layer"
            )
        chosen = self.area_box.currentData()
        within = Within.SHAPE if chosen == _SELECTED else Within(chosen)
        categories = self._categories()
        shape, brought = self._shape(chosen)
        period, days = whole_or_days(self._span()) if self.days_check.isChecked() else (self.months.period(), None)
        return Selection(
            dataset=self._table.facts.dataset,
            period=period,
            hours=self._hours_asked(),
            refined_by=self._refined_by,
            categories=categories,
            within=within,
            codes=self._codes(within),
            shape=shape,
            by=self.by_box.currentData(),
            days=days,
            brought=brought,
        )

    def _hours_asked(self) -> OwnBand | None:
        if not self.hours_check.isChecked():
            return None
        days = frozenset(int(day) for day in self.days.checkedItemsData())
        if not days:
            raise AnalysisError(self.tr("No day is ticked for the hours: tick at least one."), "hours")
        return OwnBand(self.first_hour.value(), self.last_hour.value(), days)

    def _categories(self) -> tuple[tuple[str, ...], ...]:
        found: list[tuple[str, ...]] = []
        for row in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(row)
            if item.checkState(0) == Qt.CheckState.Checked:
                found.append((item.data(0, _VALUE),))
            elif item.checkState(0) == Qt.CheckState.PartiallyChecked:
                children = (item.child(at) for at in range(item.childCount()))
                ticked = (child for child in children if child.checkState(0) == Qt.CheckState.Checked)
                found += [(item.data(0, _VALUE), child.data(0, _VALUE)) for child in ticked]
        return tuple(found)

    def _codes(self, within: Within) -> tuple[str, ...]:
        if within is Within.BOROUGHS:
            return tuple(self.borough_box.checkedItemsData())
        if within is Within.WARDS:
            return tuple(self.ward_box.checkedItemsData())
        if within is not Within.LSOAS:
            return ()
        by_name = {place.name.casefold(): code for code, place in self._lsoas.items()}
        found = []
        for words in (part.strip() for part in self.lsoa_edit.text().split(",")):
            if not words:
                continue
            code = words.upper() if words.upper() in self._lsoas else by_name.get(words.casefold())
            if code is None:
                raise AnalysisError(
                    self.tr(
                        "“{words}” is no LSOA: write a code such as E01000907, or a name such as Camden 026A."
                    ).format(words=words),
                    "area",
                )
            found.append(code)
        return tuple(dict.fromkeys(found))

    def _shape(self, chosen: str) -> tuple[str, str]:
        """The polygon as WKT, and how it came to the National Grid; empty where none is asked for."""
        if chosen == Within.SHAPE.value:
            if self._drawn.isEmpty():
                raise AnalysisError(self.tr("No area is drawn: press Draw, click its corners on the map."), "area")
            return self._drawn.asWkt(0), self._brought
        if chosen == _SELECTED:
            area = polygon_area(self.polygon_box.currentLayer(), self._project)
            return area.geometry.asWkt(3), area.brought
        return "", ""

    def show_question(self, asked: Selection) -> list[str]:
        """Fill the form with a question; sentences on what of it this copy cannot show."""
        told = []
        table = needed(self._table, "layer")
        self.days_check.setChecked(False)
        if asked.days is not None and table.dated:
            told += self._show_days(asked.days, table)
        elif asked.period is not None:
            told += self._show_period(asked.period, table)
            if asked.days is not None:
                told.append(self.tr("Your copy does not tell days: whole months are asked of it."))
        self.hours_check.setChecked(asked.hours is not None and table.timed)
        if asked.hours is not None:
            self.first_hour.setValue(asked.hours.first)
            self.last_hour.setValue(asked.hours.last)
            for number in range(7):
                state = Qt.CheckState.Checked if number in asked.hours.days else Qt.CheckState.Unchecked
                self.days.setItemCheckState(number, state)
            if not table.timed:
                told.append(self.tr("Your copy does not tell hours: the query's hours cannot be asked of it."))
        told += self._show_categories(asked)
        self.area_box.setCurrentIndex(self.area_box.findData(asked.within.value))
        for box, within in ((self.borough_box, Within.BOROUGHS), (self.ward_box, Within.WARDS)):
            for row in range(box.count()):
                on = asked.within is within and box.itemData(row) in asked.codes
                box.setItemCheckState(row, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        if asked.within is Within.LSOAS:
            self.lsoa_edit.setText(", ".join(asked.codes))
        if asked.within is Within.SHAPE:
            self.set_drawn(QgsGeometry.fromWkt(asked.shape))
        self.by_box.setCurrentIndex(self.by_box.findData(asked.by))
        for choice in (asked.within, asked.by):
            if not table.can(choice):
                told.append(
                    self.tr("Your copy does not show where its incidents are: the query's areas cannot be told.")
                )
                break
        return told

    def _show_days(self, days: DaySpan, table: CopyTable) -> list[str]:
        held = needed(table.held, "dates")
        shown = days.within(held)
        if shown is None:
            return [self.tr("None of the query's days ({days}) is in your copy.").format(days=days.label)]
        self.first_day.setDate(QDate.fromString(shown.first, _ISO))
        self.last_day.setDate(QDate.fromString(shown.last, _ISO))
        self.days_check.setChecked(True)
        self._months_of_days()
        return [] if shown == days else [self._only_held(days.label, shown.label)]

    def _only_held(self, asked: str, held: str) -> str:
        words = self.tr("The query asks for {asked}; of these your copy holds {held}, and only they are counted.")
        return words.format(asked=asked, held=held)

    def _show_period(self, period: Period, table: CopyTable) -> list[str]:
        first, newest = table.facts.first_period, table.facts.newest_period[:7]
        if period.last < first or period.first > newest:
            return [self.tr("None of the query's months ({months}) is in your copy.").format(months=period.label)]
        shown = Period(max(period.first, first), min(period.last, newest))
        self.months.set_held(first, newest, shown)
        return [] if shown == period else [self._only_held(period.label, shown.label)]

    def _show_categories(self, asked: Selection) -> list[str]:
        wanted = set(asked.categories)
        finer = any(len(path) > 1 for path in wanted)
        if finer and asked.refined_by != self._refined_by:
            return [self.tr("Your copy does not show the query's finer categories: choose categories anew.")]
        seen: set[tuple[str, ...]] = set()
        for row in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(row)
            path = (item.data(0, _VALUE),)
            item.setCheckState(0, Qt.CheckState.Checked if path in wanted else Qt.CheckState.Unchecked)
            seen.add(path)
            for at in range(item.childCount()):
                child = item.child(at)
                below = (*path, child.data(0, _VALUE))
                if path not in wanted:
                    child.setCheckState(0, Qt.CheckState.Checked if below in wanted else Qt.CheckState.Unchecked)
                seen.add(below)
        missing = wanted - seen
        for path in sorted(missing):
            # It is asked for all the same, and counts nothing.
            if len(path) == 1:
                item = self._leaf(path[0], 0)
                item.setCheckState(0, Qt.CheckState.Checked)
                self.tree.addTopLevelItem(item)
        if not missing:
            return []
        return [self.tr("{number} of the query's categories do not occur in your copy.").format(number=len(missing))]

    def _leaf(self, value: str, rows: int) -> QTreeWidgetItem:
        item = QTreeWidgetItem([value or self.tr("Not stated or not shown"), f"{rows:,}"])
        item.setData(0, _VALUE, value)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(0, Qt.CheckState.Unchecked)
        item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
        return item


def _narrow(box: QComboBox, least: int = 12) -> None:
    """Let a list of long names be narrower than its longest."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(least)
