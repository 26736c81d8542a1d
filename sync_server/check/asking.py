"""Who asks for which use, and what is open to them: worked out once for any number of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.orm import Session

from ...shared.presets import Exclusion
from ...shared.rings import FIXED_RADII, AnyBand, Band
from ..agreements.models import Use
from ..identity.subject import Subject
from ..instants import london_today
from ..problems import Problem
from ..ranks.building import question_of
from ..ranks.tables import RankQuestion, Ranks, find_ranks, find_unplaced
from ..services import Services
from .planning import Part, Plan, parts_of, permitted_scopes, plan, without_places
from .question import Question

_NO_AGREEMENT = (
    "Your organisation has no agreement in force on any dataset with places: ask the SafeStats team for one."
)
Tables = dict[tuple[RankQuestion, str], Ranks | None]


@dataclass(frozen=True)
class Asking:
    """Who asks for which use and what is open to them, worked out once for any number of places."""

    services: Services
    session: Session
    planned: Plan
    today: date
    tables: Tables

    @classmethod
    def prepare(
        cls,
        services: Services,
        session: Session,
        subject: Subject,
        datasets: Sequence[str],
        use: Use,
        tables: Tables | None = None,
    ) -> Asking:
        """``tables`` are those that were read before. Raises ``Problem`` where nothing is open."""
        today = london_today()
        scopes, refusals = permitted_scopes(services, session, subject, use, datasets)
        planned = plan([part for scope in scopes for part in parts_of(session, scope)], today)
        if planned is None:
            if refusals and not scopes:
                told = next((one for one in refusals if one.code not in ("no-agreement", "not-published")), None)
                reason = told.reason if told else _NO_AGREEMENT
                raise Problem(403, (told or refusals[0]).code, "Nothing is open to you", _why_nothing(reason, use))
            raise Problem(
                404, "nothing-dated", "Nothing to count", "None of the datasets open to you holds dated incidents yet."
            )
        planned = replace(planned, left_out=(*planned.left_out, *without_places(scopes)))
        return cls(services, session, planned, today, {} if tables is None else tables)

    def ranks(self, asked: RankQuestion, borough: str) -> Ranks | None:
        """The borough's table, read once."""
        key = (asked, borough)
        if key not in self.tables:
            self.tables[key] = find_ranks(self.session, asked, borough)
        return self.tables[key]


def _why_nothing(reason: str, use: Use) -> str:
    if use in (Use.EXPORT, Use.PUBLISH) and reason != _NO_AGREEMENT:
        kind = "operational" if use == Use.EXPORT else "public"
        return f"Your agreements permit no {kind} report: ask the SafeStats team to have them amended."
    return reason


def ranks_of(
    asking: Asking, part: Part, question: Question, band: AnyBand, leave_out: Exclusion
) -> tuple[Ranks | None, int | None]:
    """The borough's table, and how many rows have no place; of the fixed questions alone."""
    if not isinstance(band, Band):
        return None, None
    asked = question_of(part, asking.planned.now, band, Exclusion(leave_out.categories, leave_out.flags))
    unplaced = find_unplaced(asking.session, asked)
    if question.radii != FIXED_RADII or not question.place.borough_code:
        return None, unplaced
    return asking.ranks(asked, question.place.borough_code), unplaced
