"""Monthly packs: for MOPAC and the Violence Reduction Unit of all London, for a partnership of its borough."""

from __future__ import annotations

from datetime import date

from ..agreements.opened import Scope
from ..datasets.areas import AreaIndex, borough_code_of
from ..datasets.definitions import Geometry
from ..errors import SafeStatsError
from ..identity.subject import Subject
from ..instants import london_today
from ..oversight.periods import month_in_words
from ..problems import Problem
from ..services import Services
from .counting import count_rows
from .pack import Pack
from .pack_counts import YEAR, pack_of
from .readers import Reading, reader_of
from .register import earlier, read_register


def monthly_pack(
    services: Services,
    asking: Subject | None,
    dataset: str,
    month: str,
    organisation: str,
    form: str,
    borough: str = "",
    today: date | None = None,
) -> Pack:
    """The pack of all London, or one page of a ``borough`` (code or name), for whose agreement opens it.

    ``asking`` is ``None`` on the command line; ``form`` is the format that is asked for, for the audit. Raises
    ``Problem`` where the agreement, or the role of who asks, stands against it, and ``SafeStatsError`` where there is
    nothing to make a pack of.
    """
    borough = borough and borough_code_of(services.areas, borough)
    today = today or london_today()
    definition = services.definition(dataset)
    if definition.geometry == Geometry.COUNTS:
        raise SafeStatsError(f"{definition.title} holds numbers by borough, not incidents: there is no pack of it.")
    if month >= f"{today:%Y-%m}":
        raise SafeStatsError(f"{month_in_words(month)} is not over: name an earlier month.")
    areas = services.areas
    months = [earlier(month, number) for number in range(2 * YEAR - 1, -1, -1)]
    year = months[-YEAR:]
    told = {"pack": "borough" if borough else "monthly", "month": month, "area": borough, "format": form}
    with services.database.read() as session:
        reader = reader_of(services, session, asking, organisation)
        for_other = asking is None or asking.organisation != organisation
        reading = Reading(services, reader, dataset, told, for_other)
        permitted = reading.permitted(session)
        if trouble := _not_covered(permitted, areas, borough, month):
            raise reading.refused(trouble)
        counts = count_rows(session, permitted, months, year, borough)
        register = read_register(services, session, definition, months, today, visible_only=True)
        reading.answered(permitted, counts.of_year)
        return pack_of(
            services, definition, permitted, areas, counts, register, reader.organisation_name, borough, session
        )


def _not_covered(permitted: Scope, areas: AreaIndex, borough: str, month: str) -> Problem | None:
    """Why the pack would hold less than it says; ``None`` where all its rows of the month are open."""
    wanted = [borough] if borough else list(areas.boroughs)
    lsoas: dict[str, set[str]] = {}
    for code, lsoa in areas.lsoas.items():
        lsoas.setdefault(lsoa.borough_code, set()).add(code)
    opened: set[str] = set()
    for grant in permitted.grants:
        if permitted.gives(grant) and grant.covers(month):
            opened.update(grant.areas)
    if all(code in opened or lsoas.get(code, {code}) <= opened for code in wanted):
        return None
    where = areas.boroughs.get(borough, borough) if borough else "all London"
    ask = "ask for the pack of a borough that it does" if not borough else "ask for that of a borough that it does"
    return Problem(
        403,
        "pack-not-covered",
        "This pack is not open to you",
        f"Agreement {permitted.agreement} does not open the records of {where} in {month_in_words(month)} to be "
        f"published: {ask}, or have the agreement amended.",
    )
