"""Which mapping a table calls for, and which of its columns lead where. Only headers are looked at here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from ..errors import SafeStatsError
from ..screening.names import harmless
from .headers import header_key, matches
from .mappings import Mapping, Source
from .raw_tables import RawTable

OWNER = "owner"
# So alike (of 100) a header must be to one that is known to be put to a person; nothing is ever taken for another.
_ALIKE = 78
SHOWN_HEADER = 40


@dataclass(frozen=True)
class Columns:
    """Where a table's columns lead."""

    targets: dict[str, int]
    dropped: dict[str, list[int]] = field(default_factory=dict)  # what is not agreed → its columns
    strange: list[int] = field(default_factory=list)  # under headers that the mapping does not know


def choose(table: RawTable, dataset: str, candidates: Sequence[Mapping], mappings: Iterable[Mapping]) -> Mapping:
    """The mapping among the candidates whose needed headers are all there; raises ``SafeStatsError`` with what is
    missing, or with what the table seems to be instead."""
    missing = {mapping.code: missing_headers(table, mapping) for mapping in candidates}
    # Of several that fit the one that knows most of its headers.
    best = min(candidates, key=lambda m: (len(missing[m.code]), -_known(table, m)), default=None)
    if best is None:
        raise SafeStatsError(f"{table.title} is no file in which {dataset} is delivered.")
    if not missing[best.code]:
        return best
    there = {header_key(text) for text in table.header}
    for unwanted in (other for candidate in candidates for other in candidate.others):
        if there.issuperset(map(header_key, unwanted.headers)):
            raise SafeStatsError(
                f"{table.title} holds {unwanted.title}, which {dataset} does not take: {unwanted.instead}."
            )
    for other in mappings:
        if dataset not in other.datasets and not missing_headers(table, other):
            raise SafeStatsError(
                f"{table.title} holds {other.title}, which is not how {dataset} is delivered: "
                f"load it as {' or '.join(other.datasets)}."
            )
    raise SafeStatsError(_lacking(table, best, missing[best.code]))


def _lacking(table: RawTable, mapping: Mapping, missing: Sequence[Source]) -> str:
    """The sentence on columns that a table must have and has not."""
    names = [f"“{source.headers[0]}”" for source in missing]
    told = f"column {names[0]}" if len(names) == 1 else f"columns {', '.join(names[:-1])} and {names[-1]}"
    alike = suggestion(table, mapping, missing[0])
    hint = (
        f"if its column “{alike}” is meant, save a mapping for this site that says so (console: Mappings), "
        "or ask the supplier"
        if alike
        else "save a mapping for this site (console: Mappings), or ask the supplier for a file that has them"
    )
    return f"{table.title} has no {told}, which a file of the form “{mapping.title}” must have: {hint}."


def missing_headers(table: RawTable, mapping: Mapping) -> list[Source]:
    """The sources that a table must have and has not."""
    found = assigned(table, mapping)
    needed = [source for source in mapping.sources if source.required and source.target not in mapping.constants]
    if mapping.owner_headers:
        needed.append(Source(OWNER, mapping.owner_headers))
    return [source for source in needed if source.target not in found and not _left_out(table, source)]


def _left_out(table: RawTable, source: Source) -> bool:
    """Whether a record says nothing where the member itself, or the one around it, is known: JSON leaves it out."""
    if not table.sparse:
        return False
    if not len(table):
        return True
    roots = {header_key(header.partition(".")[0]) for header in table.header}
    return any("." in header and header_key(header.partition(".")[0]) in roots for header in source.headers)


def assigned(table: RawTable, mapping: Mapping) -> dict[str, int]:
    """The column of each target that the table has.

    Headers that are told literally come before those with "*", and both before what is only taken for want of
    another. Where a target has several columns the first of its headers holds.
    """
    nowhere = {header_key(header) for header in mapping.nowhere}
    keys = [header_key(header) if header.strip() else "" for header in table.header]
    keys = ["" if key in nowhere else key for key in keys]
    wanted: list[tuple[str, Sequence[str], Sequence[str]]] = [(OWNER, mapping.owner_headers, ())]
    wanted += [(source.target, source.headers, source.or_headers) for source in mapping.sources]
    targets: dict[str, int] = {}
    claimed: set[int] = set()
    for wild in (False, True):
        for target, headers, _ in wanted:
            for pattern in map(header_key, headers):
                if ("*" in pattern) != wild:
                    continue
                for at, key in enumerate(keys):
                    if key and matches(key, pattern) and (at not in claimed or not wild):
                        targets.setdefault(target, at)
                        claimed.add(at)
    for target, _, headers in wanted:
        for pattern in map(header_key, headers):
            for at, key in enumerate(keys):
                if target not in targets and key and at not in claimed and matches(key, pattern):
                    targets[target] = at
                    claimed.add(at)
    return targets


def columns_of(table: RawTable, mapping: Mapping) -> Columns:
    """Where every column leads; raises ``SafeStatsError`` where a header that leads somewhere comes twice, or bears
    lists."""
    targets = assigned(table, mapping)
    keys = [header_key(header) if header.strip() else "" for header in table.header]
    for at in targets.values():
        if keys.count(keys[at]) > 1:
            header = table.header[at].strip()
            shown = f"the column “{header}”" if harmless(header) else f"the header of column {at + 1}"
            raise SafeStatsError(f"{table.title} has {shown} twice: which one holds is unknown.")
    for source in mapping.sources:
        for header in source.headers:
            if header in table.nested and _holds_lists(table, header):
                raise SafeStatsError(
                    f"{table.title}: “{header}” holds a list or an object where a text is expected: ask the supplier "
                    "for the form that was agreed."
                )
    used = set(targets.values())
    used |= {at for at, key in enumerate(keys) if key and _is_another_name(key, mapping)}
    dropped: dict[str, list[int]] = {}
    for what, headers in mapping.drop.items():
        patterns = [header_key(header) for header in headers]
        # What is within a member that is not agreed is not agreed either.
        found = [
            at
            for at, key in enumerate(keys)
            if at not in used
            and key
            and any(matches(key, p) or _within(table.header[at], h) for p, h in zip(patterns, headers, strict=True))
        ]
        dropped[what] = found
        used.update(found)
    ignored = [header_key(header) for header in mapping.ignore]
    strange = [
        at
        for at, key in enumerate(keys)
        if at not in used and not any(key and matches(key, pattern) for pattern in ignored)
    ]
    return Columns(targets, dropped, strange)


def expected_headers(table: RawTable, mapping: Mapping) -> list[str]:
    """Those of the table's headers that the mapping knows, as they are written there."""
    columns = columns_of(table, mapping)
    return [header for at, header in enumerate(table.header) if at not in columns.strange and header.strip()]


def suggestion(table: RawTable, mapping: Mapping, source: Source) -> str:
    """The header of the table that may be meant by a source, "" where none is like it."""
    taken = set(assigned(table, mapping).values())
    free = [header.strip() for at, header in enumerate(table.header) if at not in taken and header.strip()]
    best = max(
        (
            found
            for wanted in source.headers
            if (found := process.extractOne(wanted, free, scorer=fuzz.token_sort_ratio, processor=str.casefold))
        ),
        key=lambda found: found[1],
        default=None,
    )
    return best[0][:SHOWN_HEADER] if best and best[1] >= _ALIKE and harmless(best[0]) else ""


def suggestions(table: RawTable, mapping: Mapping) -> dict[int, str]:
    """For columns that lead nowhere the target that somebody may want to choose, by the likeness of headers."""
    columns = columns_of(table, mapping)
    open_sources = [source for source in mapping.sources if source.target not in columns.targets]
    known = {header: source.target for source in open_sources for header in source.headers if "*" not in header}
    found: dict[int, str] = {}
    for at in columns.strange:
        if known and table.header[at].strip():
            best = process.extractOne(
                table.header[at], list(known), scorer=fuzz.token_sort_ratio, processor=str.casefold, score_cutoff=_ALIKE
            )
            if best is not None and known[best[0]] not in found.values():
                found[at] = known[best[0]]
    return found


def all_headers(mappings: Iterable[Mapping]) -> Collection[str]:
    """What any of the mappings knows."""
    return {header for mapping in mappings for header in mapping.headers}


def _known(table: RawTable, mapping: Mapping) -> int:
    return sum(1 for header in table.header if header.strip() and mapping.knows(header))


def _is_another_name(key: str, mapping: Mapping) -> bool:
    headers = [header for source in mapping.sources for header in source.headers]
    return any(matches(key, header_key(header)) for header in (*headers, *mapping.owner_headers))


def _within(header: str, member: str) -> bool:
    return header.casefold().startswith(f"{member.casefold()}.")


def _holds_lists(table: RawTable, header: str) -> bool:
    """Whether there is more under the header than members that were taken apart."""
    if header not in table.header:
        return True
    return table.column(table.header.index(header)).str.contains(r"^[\[{]").any()
