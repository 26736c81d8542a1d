"""What happened around a place: postcode or point → pin → figures → report, without a script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Response

from ...shared.presets import Preset
from ...shared.ring_answer import Place
from ...shared.rings import EVERY_DAY, FIXED_RADII, AnyBand, OwnBand
from ...shared.small_counts import small_mark
from ..agreements.models import Use
from ..check import wording
from ..check.answering import answer_around
from ..check.drawing import View, as_picture, place_map, trend_chart, week_chart
from ..check.listing import MOST_LISTED, list_incidents
from ..check.places import place_of
from ..check.planning import permitted_scopes
from ..check.question import LARGEST_RADIUS, MOST_RADII, Answered, Question
from ..check.report import ReportKind, report_on
from ..errors import SafeStatsError
from ..identity.permissions import Permission
from ..problems import Problem
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

MAP_PIXELS = 280  # fits a phone's page: what is clicked is told in these
_RESULT_PIXELS = 480
_MIDDLE = (530_000, 180_000)
_HALVES = (32_000, 8_000, 2_000, 500, 200)  # metres from the map's middle to its edge, step by step
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WAYS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
_NEAREST = 300  # metres from where the map was pressed to the postcode that is meant
_POSTCODES_ONLY = (
    "Your agreements open counts, and these are answered around postcodes: type the postcode of the premises, or "
    "choose it on the map."
)
_NO_POSTCODE = f"No postcode lies within {_NEAREST} m of that point: choose a dot, each is a postcode."
_RADII = re.compile(r"[\s,;]+")

router = console_router()


@dataclass(frozen=True)
class _Rights:
    """What of the datasets is open: (code, title) of each, and whether records of any are shown."""

    datasets: tuple[tuple[str, str], ...]
    records: bool
    refusals: tuple[str, ...]


def _rights(visit: Visit) -> _Rights:
    with visit.services.database.read() as session:
        scopes, refusals = permitted_scopes(visit.services, session, visit.who, Use.VIEW)
    return _Rights(
        tuple((scope.definition.code, scope.definition.title) for scope in scopes),
        any(scope.gives_rows for scope in scopes),
        tuple(refusal.reason for refusal in refusals if refusal.code != "no-agreement"),
    )


# ---------------------------------------------------------------------- the place


@router.get("/check")
def start(visit: MemberDep) -> Response:
    """Where?"""
    visit.require(Permission.USE_DATA)
    return _start_page(visit, Form())


def _start_page(visit: Visit, form: Form) -> Response:
    return visit.page("check.html", form=form, rights=_rights(visit), **_map_of(visit, *_MIDDLE, 0))


def _map_of(visit: Visit, easting: int, northing: int, zoom: int) -> dict[str, Any]:
    view = View(easting, northing, _HALVES[zoom], MAP_PIXELS)
    if zoom == 0:
        words = "Map of London’s boroughs: choose a point to look at it closer"
    else:
        borough = visit.services.ground.borough_at(easting, northing).name or "outside London"
        words = f"Map around {easting}, {northing} ({borough}): choose a point" + (
            " for the pin" if zoom == len(_HALVES) - 1 else " to look at it closer"
        )
    return {
        "picture": as_picture(place_map(visit.services.ground, view, words)),
        "picture_words": words,
        "map_easting": easting,
        "map_northing": northing,
        "map_zoom": zoom,
        "closest": zoom == len(_HALVES) - 1,
        "pixels": MAP_PIXELS,
        "attribution": visit.services.ground.attribution,
    }


@router.post("/check/map")
def map_page(visit: MemberDep, form: PostedDep) -> Response:
    """The map where it was clicked, closer; at its closest a click is the place."""
    visit.require(Permission.USE_DATA)
    easting, northing, zoom = _whole(form, "map_easting"), _whole(form, "map_northing"), _whole(form, "map_zoom")
    if not (0 <= zoom < len(_HALVES) and abs(easting) < 10**7 and abs(northing) < 10**7):
        raise gone()
    view = View(easting, northing, _HALVES[zoom], MAP_PIXELS)
    move = form.text("move")
    if move in _WAYS:
        east, north = _WAYS[move]
        step = round(_HALVES[zoom] / 2)
        return _map_page(visit, easting + east * step, northing + north * step, zoom)
    if move == "out":
        return _map_page(visit, *(_MIDDLE if zoom <= 1 else (easting, northing)), max(zoom - 1, 0))
    if move == "middle":
        return _picked_page(visit, easting, northing, form)
    if move != "in":
        x, y = _whole(form, "at.x", MAP_PIXELS // 2), _whole(form, "at.y", MAP_PIXELS // 2)
        if (x, y) == (0, 0):  # pressed by the keyboard: no point was chosen
            x = y = MAP_PIXELS // 2
        easting, northing = view.place(min(max(x, 0), MAP_PIXELS), min(max(y, 0), MAP_PIXELS))
        if zoom == len(_HALVES) - 1:
            return _picked_page(visit, easting, northing, form)
    return _map_page(visit, easting, northing, min(zoom + 1, len(_HALVES) - 1))


def _map_page(visit: Visit, easting: int, northing: int, zoom: int, trouble: str = "") -> Response:
    return visit.page(
        "check_map.html",
        postcodes_only=not _rights(visit).records,
        trouble=trouble,
        **_map_of(visit, easting, northing, zoom),
    )


def _picked_page(visit: Visit, easting: int, northing: int, form: Form) -> Response:
    """The pin at a point of the map; for those who only count at the postcode that is nearest to it."""
    if _rights(visit).records:
        return _pin_page(visit, f"{easting}, {northing}", form)
    postcode = visit.services.ground.postcode_near(easting, northing, _NEAREST)
    if not postcode:
        return _map_page(visit, easting, northing, len(_HALVES) - 1, _NO_POSTCODE)
    return _pin_page(visit, postcode, form)


def _whole(form: Form, name: str, absent: int = 0) -> int:
    text = form.text(name)
    if not text:
        return absent
    if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise gone()
    return int(text)


@router.post("/check/place")
def pin(visit: MemberDep, form: PostedDep) -> Response:
    """The pin, to be confirmed, and what to ask around it."""
    visit.require(Permission.USE_DATA)
    point = ", or a point, such as 530000, 180000" if _rights(visit).records else ""
    where = form.required("where", f"Type a postcode, such as E16 1ZE{point}.")
    if form.errors:
        return _start_page(visit, form)
    return _pin_page(visit, where, form)


def _pin_page(visit: Visit, where: str, typed: Form) -> Response:
    place = None
    with typed.telling("where"):
        place = place_of(visit.services, where)
        if not place.postcode and not _rights(visit).records:
            place = None
            typed.errors["where"] = _POSTCODES_ONLY
    if place is None:
        return _start_page(visit, typed)
    return _question_page(visit, Form(defaults=_defaults(visit)), place)


def _defaults(visit: Visit) -> dict[str, str]:
    return {
        "preset": visit.services.presets[0].name,
        "dataset": " ".join(code for code, _title in _rights(visit).datasets),
        "radii": ", ".join(map(str, FIXED_RADII)),
        "days": " ".join(map(str, range(len(_DAYS)))),
    }


def _question_page(visit: Visit, form: Form, place: Place) -> Response:
    view = View(place.easting, place.northing, _HALVES[-1] * 1.25, MAP_PIXELS)
    words = f"Map with the pin at {place.label}, about {round(2 * view.half)} m across"
    ground = visit.services.ground.borough_at(place.easting, place.northing)
    return visit.page(
        "check_pin.html",
        form=form,
        place=place,
        where=_where(place),
        ground=ground,
        edition=visit.services.ground.edition,
        map=place_map(visit.services.ground, view, words, place),
        rights=_rights(visit),
        presets=[(preset.name, preset.title) for preset in visit.services.presets],
        days=list(enumerate(_DAYS)),
        attribution=visit.services.ground.attribution,
    )


def _where(place: Place) -> str:
    return place.postcode or f"{place.easting}, {place.northing}"


# ---------------------------------------------------------------------- the answer


@router.post("/check/result")
def result(visit: MemberDep, form: PostedDep) -> Response:
    """What happened there."""
    visit.require(Permission.USE_DATA)
    place = _place(visit, form)
    question = _question(visit, form, place)
    if question is not None:
        with form.telling(), visit.services.database.read() as session:
            answered = answer_around(visit.services, session, visit.who, question)
            return _result_page(visit, question, answered)
    return _question_page(visit, form, place)


def _place(visit: Visit, form: Form) -> Place:
    """Of the pin that was confirmed on our own page."""
    try:
        return place_of(visit.services, form.text("where"))
    except Problem:
        raise gone() from None


def _question(visit: Visit, form: Form, place: Place) -> Question | None:
    """What was asked; ``None`` after the form's troubles were noted."""
    presets = {preset.name: preset for preset in visit.services.presets}
    preset: Preset | None = presets.get(form.text("preset"))
    if preset is None:
        form.errors["preset"] = "Choose what to count."
    rights = _rights(visit)
    datasets = [code for code in form.all("dataset") if code in dict(rights.datasets)]
    if rights.datasets and not datasets:
        form.errors["dataset"] = "Choose at least one dataset."
    radii: tuple[int, ...] = FIXED_RADII
    bands: tuple[AnyBand, ...] = ()
    if rights.records:
        with form.telling("radii"):
            radii = parse_radii(form.text("radii")) if form.text("radii") else FIXED_RADII
        with form.telling("first_hour"):
            bands = _own_bands(form)
    if form.errors or preset is None:
        return None
    narrowed = () if len(datasets) == len(rights.datasets) else tuple(datasets)
    return Question(place, preset, radii, bands, narrowed)


def parse_radii(text: str) -> tuple[int, ...]:
    """“100, 250, 500” as whole metres, smallest first; raises ``SafeStatsError``."""
    parts = [part for part in _RADII.split(text.strip()) if part]
    if not all(re.fullmatch(r"\d{1,6}", part, re.ASCII) for part in parts):
        raise SafeStatsError(
            f"“{text}” is no list of radii: write whole metres separated by commas, for example 100, 250, 500."
        )
    radii = sorted({int(part) for part in parts})
    if not radii or len(radii) > MOST_RADII or radii[0] < 1 or radii[-1] > LARGEST_RADIUS:
        raise SafeStatsError(
            f"Give one to {MOST_RADII} radii between 1 and {LARGEST_RADIUS:,} m, for example 100, 250, 500."
        )
    return tuple(radii)


def _own_bands(form: Form) -> tuple[AnyBand, ...]:
    first, last = form.text("first_hour"), form.text("last_hour")
    if not first and not last:
        return ()
    if not all(re.fullmatch(r"\d{1,2}", hour, re.ASCII) for hour in (first, last)):
        raise SafeStatsError("Give the first and the last hour as numbers from 0 to 23, or leave both empty.")
    days = {int(day) for day in form.all("days") if day in {str(one) for one in EVERY_DAY}}
    try:
        return (OwnBand(int(first), int(last), frozenset(days)),)
    except ValueError as error:
        raise SafeStatsError(str(error)) from error


def _carried(question: Question) -> list[tuple[str, str]]:
    """The fields by which a page after this one asks the same."""
    fields = [("where", _where(question.place)), ("preset", question.preset.name)]
    fields.append(("radii", ", ".join(map(str, question.radii))))
    for band in question.bands:
        if isinstance(band, OwnBand):
            fields += [("first_hour", str(band.first)), ("last_hour", str(band.last))]
            fields += [("days", str(day)) for day in sorted(band.days)]
    return fields


def _result_page(visit: Visit, question: Question, answered: Answered) -> Response:
    answer = answered.answer
    place = answer.place
    view = View(place.easting, place.northing, max(answer.radii) * 1.16, _RESULT_PIXELS)
    words_ = f"Map of the rings around {place.label}: {', '.join(f'{radius} m' for radius in answer.radii)}"
    rights = _rights(visit)
    chosen = question.datasets or tuple(code for code, _title in rights.datasets)
    marks = {
        one.code: small_mark(max(visit.services.definitions[one.code].suppression_threshold - 1, 0))
        for one in answer.datasets
    }
    return visit.page(
        "check_result.html",
        answer=answer,
        question=question,
        carried=[*_carried(question), *(("dataset", code) for code in chosen)],
        map=place_map(visit.services.ground, view, words_, place, answer.radii),
        weeks={number: week_chart(one) for number, one in enumerate(answer.datasets)},
        trends={
            number: trend_chart(one, answer.trend, answered.held[one.code], marks[one.code])
            for number, one in enumerate(answer.datasets)
        },
        reports=_reports(visit, question),
        fixed=question.fixed,
        records=rights.records and len(answered.counted) < len(answer.datasets),
        say=wording,
        attribution=visit.services.ground.attribution,
    )


def _reports(visit: Visit, question: Question) -> list[ReportKind]:
    """The kinds of report that the agreements permit of any of it, the public one, of fixed questions alone, first."""
    kinds = [ReportKind.PUBLIC, ReportKind.OPERATIONAL] if question.fixed else [ReportKind.OPERATIONAL]
    with visit.services.database.read() as session:
        return [
            kind
            for kind in kinds
            if permitted_scopes(visit.services, session, visit.who, kind.use, question.datasets)[0]
        ]


@router.post("/check/report")
def report(visit: MemberDep, form: PostedDep) -> Response:
    """The report as a PDF; what was refused is told on the page of the question."""
    visit.require(Permission.USE_DATA)
    if form.text("kind") not in list(ReportKind):
        raise gone()
    place = _place(visit, form)
    question = _question(visit, form, place)
    if question is not None:
        with form.telling(), visit.services.database.read() as session:
            made = report_on(visit.services, session, visit.who, question, ReportKind(form.text("kind")))
            headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "no-store"}
            return Response(made.content, media_type="application/pdf", headers=headers)
    return _question_page(visit, form, place)


@router.post("/check/incidents")
def incidents(visit: MemberDep, form: PostedDep) -> Response:
    """The incidents one by one, for those who are shown records."""
    visit.require(Permission.USE_DATA)
    place = _place(visit, form)
    question = _question(visit, form, place)
    if question is not None:
        with form.telling(), visit.services.database.read() as session:
            found = list_incidents(visit.services, session, visit.who, question)
            return visit.page(
                "check_incidents.html", listings=found, place=place, reach=question.radii[-1], most=MOST_LISTED
            )
    return _question_page(visit, form, place)
