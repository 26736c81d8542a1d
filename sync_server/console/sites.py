"""The sites of suppliers to choose from: those of the registers, and those that anything is known of here."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ..supplies.sites import known_sites
from .choices import title_of
from .visits import Visit


@dataclass(frozen=True)
class Sites:
    """``options`` are for a field beside that of the dataset, ``supplies`` for one that tells both.

    ``listed``: every dataset of several sites has a register, so that nobody need type a site.
    """

    options: list[tuple[str, str]]
    supplies: list[tuple[str, str]]
    of_sites: list[str]  # the titles of the datasets that have several
    listed: bool


def sites_to_choose(visit: Visit, session: Session, *shown: str) -> Sites:
    """Every declared dataset's sites, by name; and those that the page has to show in any case."""
    definitions = visit.services.definitions
    several = [code for code, definition in definitions.items() if definition.sites]
    names = {code: known_sites(visit.services, session, definitions[code]) for code in several}
    options = {site: f"{name} ({site})" if name else site for sites in names.values() for site, name in sites.items()}
    options |= {site: site for site in shown if site and site not in options}
    supplies = sorted(((f"{code}/", title_of(visit, code)) for code in definitions if code not in several), key=_text)
    for code in several:
        before = f"{title_of(visit, code)}: " if len(several) > 1 else ""
        supplies += [(f"{code}/{site}", f"{before}{options[site]}") for site in names[code]]
    return Sites(
        list(options.items()),
        supplies,
        [title_of(visit, code) for code in several],
        all(definitions[code].register for code in several),
    )


def chosen_supplies(values: list[str]) -> list[tuple[str, str]]:
    """(Dataset, site) of each that was chosen among ``supplies``."""
    pairs = (value.partition("/") for value in values)
    return [(dataset, site) for dataset, _, site in pairs if dataset]


def _text(option: tuple[str, str]) -> str:
    return option[1]
