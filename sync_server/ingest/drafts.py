"""A mapping for one site as somebody edits it: what it says otherwise than the mapping that it is based on."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field

from .mappings import DateOrder


@dataclass(frozen=True)
class MappingDraft:
    """Headers and values of a site, beside those that the base knows."""

    dataset: str
    site: str
    based_on: str
    sheet: str = ""
    header_row: int = 0
    date_order: DateOrder = DateOrder.AUTO
    columns: Lookup[str, str] = field(default_factory=dict)  # target → header
    codes: Lookup[str, Lookup[str, str]] = field(default_factory=dict)  # field → what stands there → code
    nowhere: tuple[str, ...] = ()  # headers that the base knows, and that lead nowhere here

    @classmethod
    def of(cls, document: str, dataset: str, site: str) -> MappingDraft | None:
        """The draft that gave a document; ``None`` where it says more than a draft can."""
        try:
            parts = tomllib.loads(document)
            head = parts["mapping"]
            known = {"code", "title", "datasets", "based_on", "sheet", "header_row", "date_order"}
            plain = set(parts) <= {"mapping", "columns", "codes", "ignore"} and set(head) <= known
            columns = {entry["to"]: entry["headers"][0] for entry in parts.get("columns", ())}
            plain = plain and all(set(entry) == {"to", "headers"} for entry in parts.get("columns", ()))
            if not plain or "based_on" not in head:
                return None
            return cls(
                dataset,
                site,
                head["based_on"],
                head.get("sheet", ""),
                int(head.get("header_row", 0)),
                DateOrder(head.get("date_order", "auto")),
                columns,
                parts.get("codes", {}),
                tuple(parts.get("ignore", {}).get("headers", ())),
            )
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, IndexError):
            return None

    def document(self) -> str:
        """The mapping as TOML, always the same for the same draft."""
        lines = [
            "[mapping]",
            f"code = {_quoted('-'.join(filter(None, ('saved', self.dataset, self.site))))}",
            f"title = {_quoted(f'{self.dataset} {self.site}'.strip())}",
            f"datasets = [{_quoted(self.dataset)}]",
            f"based_on = {_quoted(self.based_on)}",
        ]
        if self.sheet:
            lines.append(f"sheet = {_quoted(self.sheet)}")
        if self.header_row:
            lines.append(f"header_row = {self.header_row}")
        if self.date_order != DateOrder.AUTO:
            lines.append(f"date_order = {_quoted(str(self.date_order))}")
        for target, header in sorted(self.columns.items()):
            lines += ["", "[[columns]]", f"to = {_quoted(target)}", f"headers = [{_quoted(header)}]"]
        if self.nowhere:
            lines += ["", "[ignore]", f"headers = [{', '.join(_quoted(header) for header in sorted(self.nowhere))}]"]
        for name, codes in sorted(self.codes.items()):
            if codes:
                lines += ["", f"[codes.{_quoted(name)}]"]
                lines += [f"{_quoted(text)} = {_quoted(code)}" for text, code in sorted(codes.items())]
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
