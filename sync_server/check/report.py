"""The report on a place: one A4 page as tagged PDF, for operational use or for the public."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from bisect import bisect_left
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from sqlalchemy.orm import Session

from ...shared.disclosure import NotPublishableError, Rules, publishable
from ...shared.ranks import sentence
from ...shared.ring_answer import AnswerRow, DatasetAnswer, RingAnswer
from ...shared.rings import Band
from ...shared.small_counts import small_mark
from ..agreements.models import Use
from ..agreements.opened import Scope
from ..audit.log import EventType
from ..house_style.service import find as find_house_style
from ..identity.subject import Subject
from ..instants import london_today
from ..page_templates import templates_in
from ..printing import laid_out, written
from ..problems import Problem
from ..ranks.building import question_of
from ..services import Services
from . import wording
from .answering import answer, record_answer, refusals_heard
from .asking import Asking
from .drawing import TREND_UNITS, View, place_map, trend_chart, week_chart
from .question import Answered, Question

TEMPLATES = Path(__file__).parent / "templates"
_MAP_UNITS = 360
_WIDE_TRENDS = 2  # datasets whose trends are drawn wide
_SMALL_UNITS = 350


@dataclass(frozen=True)
class _Fitting:
    """At most so many categories a total, caveats, sentences and charts: what one page may hold."""

    rows: int
    caveats: int
    sentences: int  # a dataset
    trends: int
    weeks: int = 2


# The page is tried with these: the first that fits is taken.
_FITTINGS = (
    _Fitting(16, 60, 3, 12),
    _Fitting(9, 60, 3, 12),
    _Fitting(6, 60, 3, 8),
    _Fitting(6, 40, 2, 6),
    _Fitting(5, 24, 1, 6, 1),
    _Fitting(5, 14, 1, 4, 1),
    _Fitting(4, 10, 1, 4, 1),
    _Fitting(3, 10, 1, 4, 1),
    _Fitting(3, 8, 1, 3, 1),
    _Fitting(3, 8, 1, 3, 0),
    _Fitting(2, 6, 1, 3, 0),
    _Fitting(2, 3, 1, 3, 0),
    _Fitting(1, 3, 1, 3, 0),
    _Fitting(1, 2, 1, 0, 0),
    _Fitting(0, 0, 1, 0, 0),
)


class ReportKind(StrEnum):
    """Whom the report is for."""

    OPERATIONAL = "operational"
    PUBLIC = "public"

    @property
    def use(self) -> Use:
        """What the agreements must permit."""
        return Use.EXPORT if self == ReportKind.OPERATIONAL else Use.PUBLISH


@dataclass(frozen=True)
class Report:
    """The PDF, its SHA-256 and what it tells."""

    content: bytes
    sha256: str
    answer: RingAnswer
    name: str


def report_on(services: Services, session: Session, subject: Subject, question: Question, kind: ReportKind) -> Report:
    """The report, audited with its hash before it leaves; raises ``Problem`` where the agreements permit none."""
    with refusals_heard(services, subject, EventType.CHECK_REPORTED, {**question.told(), "kind": str(kind)}):
        answered = reported_answer(services, session, subject, question, kind)
    content = render(services, session, subject, answered, kind)
    sha256 = hashlib.sha256(content).hexdigest()
    record_answer(services, subject, question, answered, sha256, EventType.CHECK_REPORTED, kind=str(kind))
    place = answered.answer.place.label.replace(", ", "-").replace(" ", "-")
    return Report(content, sha256, answered.answer, f"safestats-{place}-{kind}.pdf")


def reported_answer(
    services: Services, session: Session, subject: Subject, question: Question, kind: ReportKind
) -> Answered:
    """The answer as the report tells it, of the rows whose grants permit the report; raises ``Problem``."""
    asking = Asking.prepare(services, session, subject, question.datasets, kind.use)
    return as_reported(asking, question, kind)


def as_reported(asking: Asking, question: Question, kind: ReportKind) -> Answered:
    """The answer as a report of the kind tells it; raises ``Problem``."""
    answered = answer(asking, question)
    if kind == ReportKind.OPERATIONAL:
        return answered.settled()
    try:
        return published(asking, question, answered).settled()
    except NotPublishableError as error:
        raise Problem(422, "not-publishable", "This cannot be published", str(error)) from error


def published(asking: Asking, question: Question, answered: Answered) -> Answered:
    """The answer for the public. Counts that were perturbed already are told as they are."""
    answer = answered.answer
    exact = [one for number, one in enumerate(answer.datasets) if number not in answered.counted]
    altered = [one for number, one in enumerate(answer.datasets) if number in answered.counted]
    scopes = {part.dataset: part.scope for part in asking.planned.parts}
    sensitive = {code: _sensitive(scope) for code, scope in scopes.items()}
    rules = Rules(
        thresholds={code: scope.threshold for code, scope in scopes.items()},
        sensitive=sensitive,
        standing=_Standing(asking, question),
    )
    told = publishable(replace(answer, datasets=tuple(exact)), rules)
    altered = [_without_sensitive(one, sensitive.get(one.code, frozenset())) for one in altered]
    return replace(answered, answer=replace(told, datasets=(*told.datasets, *altered)))


class _Standing:
    """Puts published counts among the borough's postcodes, in words."""

    def __init__(self, asking: Asking, question: Question) -> None:
        self._asking = asking
        self._question = question
        self._parts = {part.dataset: part for part in asking.planned.parts if not part.counted}

    def __call__(self, row: AnswerRow, radius: int, count: int) -> str:
        """The sentence; empty where there is no table."""
        place, part = self._question.place, self._parts.get(row.dataset)
        if part is None or not place.borough_code or not isinstance(row.band, Band):
            return ""
        leave_out = part.leave_out(self._question.preset)
        asked = question_of(part, self._asking.planned.now, row.band, replace(leave_out, untold=()))
        table = self._asking.ranks(asked, place.borough_code)
        return "" if table is None else sentence(table.of(row.category, radius), count, place.borough)


def _sensitive(scope: Scope) -> frozenset[str]:
    field = scope.definition.field(scope.definition.category_field)
    return frozenset(field.codes.get(code, code) for code in scope.definition.sensitive.get(field.name, ()))


def _without_sensitive(dataset: DatasetAnswer, sensitive: frozenset[str]) -> DatasetAnswer:
    rows = tuple(
        replace(row, figures=tuple(replace(figure, share_below=None) for figure in row.figures))
        for row in dataset.rows
        if row.category not in sensitive
    )
    return replace(dataset, rows=rows)


# ---------------------------------------------------------------------- the page


def render(services: Services, session: Session, subject: Subject, answered: Answered, kind: ReportKind) -> bytes:
    """The PDF: of rows, caveats and charts as many as one page holds."""
    return draw(_context(services, session, subject, answered, kind))


def draw(context: dict[str, Any]) -> bytes:
    """The page of what ``report.html`` tells."""
    template = _environment().get_template("report.html")
    documents: dict[int, Any] = {}

    def fits(at: int) -> bool:
        documents[at] = laid_out(template.render(**context, most=_FITTINGS[at]))
        return len(documents[at].pages) == 1

    # Most pages hold the first; laying out takes long, so the others are halved, not tried one by one.
    at = 0 if fits(0) else bisect_left(range(1, len(_FITTINGS) - 1), True, key=fits) + 1
    if at not in documents:
        fits(at)
    return written(documents[at])


def _context(
    services: Services, session: Session, subject: Subject, answered: Answered, kind: ReportKind
) -> dict[str, Any]:
    answer = answered.answer
    style = find_house_style(session, subject.organisation_id)
    place = answer.place
    view = View(place.easting, place.northing, max(answer.radii) * 1.16, _MAP_UNITS)
    words = f"Map of the rings around {place.label}: {', '.join(f'{radius} m' for radius in answer.radii)}"
    marks = {
        one.code: small_mark(max(services.definitions[one.code].suppression_threshold - 1, 0))
        for one in answer.datasets
    }
    many = len(answer.datasets) > _WIDE_TRENDS
    in_order = sorted(answer.datasets, key=_outermost, reverse=True) if many else answer.datasets
    units = _SMALL_UNITS if many else TREND_UNITS
    return {
        "answer": answer,
        "kind": kind,
        "kinds": ReportKind,
        "map": place_map(services.ground, view, words, place, answer.radii),
        "weeks": [(one, week_chart(one, marks[one.code])) for one in answer.datasets if one.hours is not None],
        # Of many those with most incidents come first, and so small that three stand in a row with words one can read.
        "trends": [
            (one, chart)
            for one in in_order
            if (chart := trend_chart(one, answer.trend, answered.held[one.code], marks[one.code], units))
        ],
        "organisation": subject.organisation_name or subject.organisation,
        "purpose": subject.purpose.replace("-", " "),
        "logo": f"data:image/png;base64,{b64encode(style.logo).decode('ascii')}" if style and style.logo else "",
        "logo_words": style.logo_words if style else "",
        "colour": style.colour if style and style.colour else "#14506e",
        "ground": services.ground,
        "today": london_today(),
    }


def _outermost(dataset: DatasetAnswer) -> int:
    return max((row.figures[-1].count or 0 for row in dataset.totals()), default=0)


@cache
def _environment() -> Environment:
    environment = templates_in(TEMPLATES)
    environment.globals.update(words=wording, style=lambda: Markup((TEMPLATES / "report.css").read_text("utf-8")))
    environment.filters["day"] = lambda value: f"{value:%-d %B %Y}"
    return environment
