"""What suppliers' programs are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..instants import iso


def _told(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


Instant = Annotated[str, BeforeValidator(_told)]


class SupplyAnswer(BaseModel):
    """A dataset and site that the supplier delivers."""

    dataset: str
    title: str
    site: str


class SupplierAnswer(BaseModel):
    """Who asks as a supplier, and what it delivers."""

    organisation: str
    supplies: list[SupplyAnswer]


class DeliveryAnswer(BaseModel):
    """One of a supplier's own deliveries: counts and what was wrong, no rows."""

    model_config = ConfigDict(from_attributes=True)

    dataset: str
    site: str
    release: int
    loaded_at: Instant
    rows_in: int
    accepted: int
    rejected: int
    duplicates: int
    left: int = Field(description="Rows that belong to another dataset.")


class FileAnswer(BaseModel):
    """A file that was sent."""

    name: str
    size: int
    sha256: str


class RowAnswer(BaseModel):
    """A row that was not taken: where it stands and why, never what it holds."""

    file: str
    line: int = Field(description="The line of a file; of records, counted from 1.")
    index: int | None = Field(description="Of records, counted from 0.")
    outcome: str = Field(description="`rejected` or `duplicate`.")
    reason: str


class ReceiptAnswer(BaseModel):
    """A receipt. `rows_in` = `accepted` + `rejected` + `duplicates` + `left` + `withdrawn_for_good`."""

    receipt: str = Field(description="Its number.")
    dataset: str
    site: str
    kind: str = Field(description="`files`, `records` or `zero-return`.")
    door: str = Field(description="`page`, `api` or `folder`.")
    state: str = Field(description="`waiting`, `loading`, `accepted` or `refused`.")
    standing: str = Field(
        description="`not-loaded`, `unchanged`, `staged`, `published`, `replaced`, `taken-back` or `dropped`."
    )
    received_at: str
    finished_at: str | None
    files: list[FileAnswer]
    sha256: str = Field(description="Of what was sent, as a whole.")
    size: int
    month: str = Field(description="Of a return of no incidents.")
    rows_in: int
    accepted: int
    rejected: int
    duplicates: int
    left: int = Field(description="Rows that belong to another dataset.")
    withdrawn_for_good: int = Field(description="Rows that were withdrawn once and are never taken again.")
    months: list[str]
    reasons: dict[str, int] = Field(description="Rejected rows by reason.")
    dropped: dict[str, int] = Field(description="Values that are not agreed, by column.")
    blanked: dict[str, int] = Field(description="Identifying values taken out of texts, by kind.")
    unmapped: dict[str, int] = Field(description="Values in no code list, by field.")
    notes: list[str]
    errors: list[RowAnswer] = Field(description="The first 1,000 rows that were not taken.")
    refusal: str = Field(description="Why nothing was taken: a sentence, without a value.")
    release: int | None = Field(description="The release that it was staged for; none where nothing changed.")
    published_at_once: bool = Field(description="A publication was asked for; else the SafeStats team publishes.")
    again: bool = Field(default=False, description="This is the answer to an earlier request with the same key.")


class ReceiptLine(BaseModel):
    """A receipt in a list."""

    model_config = ConfigDict(from_attributes=True)

    receipt: str = Field(validation_alias="number")
    dataset: str
    site: str
    kind: str
    state: str
    received_at: Instant
    rows_in: int
    accepted: int
    rejected: int
    duplicates: int


class DeliveriesAnswer(BaseModel):
    """Deliveries that changed something, and receipts of all that was sent, the newest first."""

    deliveries: list[DeliveryAnswer]
    receipts: list[ReceiptLine]


class CheckedRow(BaseModel):
    """A row that would not be taken."""

    file: str
    line: int
    reason: str


class CheckAnswer(BaseModel):
    """What a load would make of files. Nothing of them was kept."""

    dataset: str
    site: str
    files: list[str]
    taken: bool = Field(description="Whether a load would take them.")
    refusal: str
    months: list[str]
    rows_in: int
    accepted: int
    duplicates: int
    rejected: dict[str, int]
    left: dict[str, int]
    dropped: dict[str, int]
    blanked: dict[str, int]
    unmapped: dict[str, int]
    notes: list[str]
    rows: list[CheckedRow] = Field(description="The first 20 rows with trouble.")


class ZeroReturn(BaseModel):
    """That there was no incident in a month."""

    month: str = Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="As `2026-09`; it has ended.")
