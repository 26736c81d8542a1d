"""What the routes of publishing take and give."""

from __future__ import annotations

from pydantic import BaseModel, Field


class TargetAnswer(BaseModel):
    """Something that a column may lead to: ``kind`` is text, month, date, time, integer or code.

    ``headers`` are what suppliers call it.
    """

    name: str
    title: str
    kind: str
    required: bool
    codes: dict[str, str]
    headers: list[str]


class LayerMappingBody(BaseModel):
    """Which column leads to which target, what texts mean, and how exact the points are."""

    columns: dict[str, str] = Field(max_length=100)
    codes: dict[str, dict[str, str]] = Field(default_factory=dict, max_length=100)
    precision_m: int = Field(default=1, ge=1, le=100_000)


class PublishableAnswer(BaseModel):
    """A dataset that may be published to. ``replaces``: what a delivery lacks of its months is withdrawn.

    ``points``: rows lie somewhere; ``described``: places may be told in words. ``synthetic`` tells what kind of rows
    it holds (``null``: none yet). ``mapping`` is that of the newest layer of the person's organisation.
    """

    dataset: str
    title: str
    supplier: str
    sites: bool
    replaces: bool
    points: bool
    described: bool
    synthetic: bool | None
    targets: list[TargetAnswer]
    mapping: LayerMappingBody | None


class PublishablesAnswer(BaseModel):
    """All declared datasets."""

    datasets: list[PublishableAnswer]


class RejectedLineAnswer(BaseModel):
    """A row that was not taken."""

    file: str
    line: int
    reason: str


class ReportAnswer(BaseModel):
    """What became of each row: ``rows_in`` = accepted + rejected + duplicates + left + withdrawn for good.

    ``errors`` are the first rejected rows, ``unmapped`` values in no code list by field, ``areas`` accepted rows by
    how their area was found.
    """

    rows_in: int
    accepted: int
    rejected: int
    duplicates: int
    left: int
    withdrawn_for_good: int
    added: int
    changed: int
    withdrawn: int
    unchanged: int
    months: list[str]
    reasons: dict[str, int]
    dropped: dict[str, int]
    blanked: dict[str, int]
    unmapped: dict[str, dict[str, int]]
    areas: dict[str, int]
    notes: list[str]
    errors: list[RejectedLineAnswer]


class CellAnswer(BaseModel):
    """Rows of a month and place (a borough's code, “outside” or “unplaced”), before and after."""

    month: str
    place: str
    before: int
    after: int


class UploadAnswer(BaseModel):
    """An upload. ``state`` is waiting, loading, failed, cancelled, unchanged, staged, publishing, published,
    discarding or discarded; while it is under way, ``step``, ``done`` and ``total`` tell how far."""

    id: int
    dataset: str
    site: str
    files: list[str]
    state: str
    message: str
    step: str
    done: int
    total: int
    asked_at: str
    release: int | None
    others_staged: int
    report: ReportAnswer | None
    comparison: list[CellAnswer] | None
