"""Whose file it is, of several sites' files that were sent together: told by the file itself, or not at all.

A return replaces the one that is held, so that nothing is guessed: what names two sites names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..datasets.definitions import DatasetDefinition
from ..errors import SafeStatsError
from ..geocoding.hospitals import Hospital, hospitals_file, read_hospitals
from ..ingest import saved_mappings
from ..ingest.mappings import Mapping as FileMapping
from ..ingest.mappings import read_mappings
from ..ingest.raw_tables import RawTable
from ..ingest.recognition import all_headers, assigned, missing_headers
from ..ingest.rows import candidates_of
from ..ingest.source import SourceFile
from ..ingest.tables import read_tables
from ..screening.names import refuse_identifying_names
from ..services import Services

_SITE = "site"  # the target that a column of sites leads to
_NO_LETTER = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile("['’‘`]")


class KnownBy(StrEnum):
    """What told the site of a file."""

    NAME = "name"  # the file's own
    TITLE = "title"  # of a sheet, or above its table
    COLUMN = "column"  # of sites
    MAPPING = "mapping"  # saved for the one site, and nothing but it fits


@dataclass(frozen=True)
class Recognised:
    """The site of a file; "" where its column names several sites of the register, each row its own."""

    site: str
    by: KnownBy


def site_of_name(services: Services, name: str) -> str:
    """The site that a file's own name names, "" where it names none or several."""
    named = _named([name], _register(services))
    return named.pop() if len(named) == 1 else ""


def recognise(services: Services, definition: DatasetDefinition, path: Path, by_name: str = "") -> Recognised:
    """The site of a file, where its name told ``by_name`` or none.

    Raises ``SafeStatsError`` where it cannot be read, or what is in it names no site, or another one.
    """
    refuse_identifying_names([path.name])
    source, register = SourceFile.read(path), _register(services)
    supplied = read_mappings(services.settings.resources_dir / "mappings", dict(services.definitions))
    mappings = candidates_of(definition, supplied)
    tables = read_tables(source, all_headers(mappings))
    titles = _named([text for table in tables for text in (table.sheet, *table.above)], register)
    told = {KnownBy.NAME: {by_name} - {""}, KnownBy.TITLE: titles}
    told[KnownBy.COLUMN] = _in_column(tables, mappings, register)
    sites = set().union(*told.values())
    if len(sites) == 1:
        return Recognised(sites.pop(), next(by for by in KnownBy if told.get(by)))
    if sites and sites == told[KnownBy.COLUMN]:
        return Recognised("", KnownBy.COLUMN)
    fitting = set() if sites else _fitting(services, definition, source, supplied)
    if len(fitting) == 1:
        return Recognised(fitting.pop(), KnownBy.MAPPING)
    several = sorted(sites or fitting)
    why = (
        f"its name and what is in it point to several hospitals ({', '.join(several)})"
        if several
        else "neither its name, nor its titles, nor a column of sites names a hospital of the register, and no mapping "
        "that is saved for one hospital alone fits it"
    )
    raise SafeStatsError(
        f"{source.name} was not recognised: {why}. Nothing was loaded of it: send it again by itself, with its "
        "hospital chosen as the site."
    )


def _register(services: Services) -> Mapping[str, Hospital]:
    return read_hospitals(hospitals_file(services.settings.data_dir, services.settings.resources_dir))


def _plain(text: str) -> str:
    """Its words in small letters, each between blanks."""
    return f" {_NO_LETTER.sub(' ', _APOSTROPHES.sub('', text)).strip().casefold()} "


def _named(texts: Iterable[str], register: Mapping[str, Hospital]) -> set[str]:
    """The sites that texts name by code, name or another name; a name within a longer one is not meant."""
    found: set[str] = set()
    for text in map(_plain, texts):
        names = {
            _plain(name): code
            for code, one in register.items()
            for name in (code, one.name, one.name.removeprefix("The "), *one.other_names)
            if _plain(name) in text
        }
        longest = [name for name in names if not any(name != other and name in other for other in names)]
        found |= {names[name] for name in longest}
    return found


def _in_column(
    tables: Sequence[RawTable], mappings: Sequence[FileMapping], register: Mapping[str, Hospital]
) -> set[str]:
    """The sites of a column that leads there, where all of them are in the register."""
    found: set[str] = set()
    for table in tables:
        for mapping in mappings:
            if not missing_headers(table, mapping) and _SITE in (columns := assigned(table, mapping)):
                found |= {text.strip().upper() for text in table.column(columns[_SITE]).unique()} - {""}
    return found if found <= set(register) else set()


def _fitting(
    services: Services, definition: DatasetDefinition, source: SourceFile, supplied: Sequence[FileMapping]
) -> set[str]:
    """The sites whose own saved mapping knows most of the file's headers, and more of them than those for all sites."""
    with services.database.read() as session:
        sites = {one.site for one in saved_mappings.versions(session, definition.code)} - {"", saved_mappings.LAYERS}
        saved = {
            site: saved_mappings.mapping_for(services, session, None, definition.code, site, supplied)
            for site in sites | {""}
        }
    for_all = [*candidates_of(definition, supplied), *filter(None, [saved.pop("")])]
    known = {site: _headers_known(source, mapping) for site, mapping in saved.items() if mapping is not None}
    most = max(known.values(), default=0)
    if most <= max((_headers_known(source, mapping) for mapping in for_all), default=0):
        return set()
    return {site for site, number in known.items() if number == most}


def _headers_known(source: SourceFile, mapping: FileMapping) -> int:
    """How many headers of the file lead somewhere by the mapping; 0 where it lacks one that it needs."""
    # One that wants a sheet or a row which is not there does not fit.
    with suppress(SafeStatsError):
        tables = read_tables(source, all_headers([mapping]), mapping.header_row, mapping.sheet)
        return max(
            (len(assigned(table, mapping)) for table in tables if not missing_headers(table, mapping)), default=0
        )
    return 0
