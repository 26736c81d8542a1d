"""Organisations out of a plan's list, taken over as the register is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from ..identity.models import Organisation
from ..identity.organisations import REGISTER_FILE, Entry, load_register, read_register
from ..services import Services
from .ledger import Ledger
from .loading import Tells
from .models import StepKind, StepState
from .registers import Row, read_rows, words_of

_NEEDED = ("code", "name", "kind")
_KNOWN = (*_NEEDED, "boroughs", "remit")
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def read_organisations(services: Services, path: Path, mistakes: list[str]) -> list[Entry]:
    """The entries of a list; what is wrong with it goes to ``mistakes``.

    Boroughs are told by code or name, separated by semicolons. A remit that is not told is the register's.
    """
    register = {entry.code: entry for entry in read_register(services.settings.resources_dir / REGISTER_FILE)}
    with services.database.read() as session:
        there = {one.code: one for one in session.scalars(select(Organisation))}
    named = {one.name: one.code for one in there.values()}
    entries: list[Entry] = []
    lines: dict[tuple[str, str], str] = {}
    for row in read_rows(path, _NEEDED, _KNOWN, mistakes):
        code, name = row["code"].casefold(), row["name"]
        if not _CODE.fullmatch(code):
            mistakes.append(
                f"{row.place}: “{row['code']}” is no organisation code: use up to 32 letters, digits and hyphens."
            )
        for what, value in (("code", code), ("name", name)):
            first = lines.setdefault((what, value), row.place)
            if first != row.place:
                mistakes.append(f"{row.place}: the {what} “{value}” stands in {first.rpartition(', ')[2]} already.")
        if named.get(name, code) != code:
            mistakes.append(
                f"{row.place}: {name} is here under the code “{named[name]}”: write that, or amend its name first."
            )
        held, known = there.get(code), register.get(code)
        remit = row["remit"] or (held.remit if held else "") or (known.remit if known else "")
        entries.append(Entry(code, name, row["kind"], boroughs_in(services, row, mistakes), remit))
    return entries


def boroughs_in(services: Services, row: Row, mistakes: list[str]) -> tuple[str, ...]:
    """The codes of the boroughs, or other areas, that a row names."""
    codes = {name.casefold(): code for code, name in services.areas.boroughs.items()}
    found = []
    for word in words_of(row["boroughs"]):
        if re.fullmatch(r"[A-Z]\d{8}", word):
            found.append(word)
        elif word.casefold() in codes:
            found.append(codes[word.casefold()])
        else:
            mistakes.append(f"{row.place}: “{word}” is no borough of the loaded areas: give its code, or its name.")
    return tuple(sorted(set(found)))


def move_organisations(
    services: Services, actor: str, ledger: Ledger, entries: Sequence[Entry], tell: Tells
) -> tuple[int, int]:
    """Take the entries over that are not done; (how many now, how many before). What was amended since stays so."""
    done = ledger.done(StepKind.ORGANISATION)
    waiting = [entry for entry in entries if done.get(entry.code) != digest_of(entry)]
    for line in load_register(services, actor, waiting):
        tell(line)
    for entry in waiting:
        ledger.record(StepKind.ORGANISATION, entry.code, StepState.DONE, "Taken over.", {"digest": digest_of(entry)})
        if not entry.remit:
            tell(f"{entry.code}: it has no remit, and without one it is given no agreement.")
    return len(waiting), len(entries) - len(waiting)


def digest_of(entry: Entry) -> str:
    """What tells one state of an entry from another."""
    return "|".join((entry.code, entry.name, entry.kind, " ".join(entry.areas), entry.remit))
