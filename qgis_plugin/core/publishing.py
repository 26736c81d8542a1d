"""Publishing a layer to a dataset: its rows are sent, the server reports on them, and they become a release.

Only the chosen columns leave the desk. Everything here takes time and is for tasks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...shared.uploads import UNDER_WAY, UploadState
from .errors import Cancelled
from .layer_rows import LayerRows, Report, waiting_file, write_rows
from .multipart import MultipartForm
from .publishable import LayerMapping, Target, unreadable
from .transport import Cancel, Transport, never

UPLOADS = "/v1/publishing/uploads"
_LOOK_AGAIN_S = 0.4
_FIRST_LINE = 2  # of the file's rows: the header is the first


@dataclass(frozen=True)
class Choice:
    """What a person has chosen to send."""

    dataset: str
    mapping: LayerMapping
    site: str = ""
    synthetic: bool = False
    accept_withdrawals: bool = False


@dataclass(frozen=True)
class RejectedRow:
    """A row that the server did not take, and the feature that it was."""

    line: int
    reason: str
    feature: int | None


@dataclass(frozen=True)
class UploadReport:
    """What became of the rows that were sent."""

    counts: Mapping[str, int]  # rows_in, accepted, rejected, duplicates, left, added, changed, withdrawn, unchanged
    months: tuple[str, ...]
    reasons: Mapping[str, int]
    unmapped: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    blanked: Mapping[str, int]
    notes: tuple[str, ...]
    errors: tuple[RejectedRow, ...]


@dataclass(frozen=True)
class Upload:
    """An upload as the server tells it."""

    id: int
    state: UploadState
    message: str
    step: str
    done: int
    total: int
    release: int | None
    others_staged: int
    report: UploadReport | None


def send(
    transport: Transport, rows: LayerRows, choice: Choice, targets: Sequence[Target], report: Report, cancelled: Cancel
) -> tuple[Upload, list[int]]:
    """Write the rows, send them and wait for the server's report; the upload, and the feature of each row."""
    with waiting_file(rows.name) as path:
        mapping, features = write_rows(rows, choice.mapping, targets, path, report, cancelled)
        fields = {
            "dataset": choice.dataset,
            "site": choice.site,
            "synthetic": "true" if choice.synthetic else "false",
            "accept_withdrawals": "true" if choice.accept_withdrawals else "false",
            "mapping": json.dumps(
                {
                    "columns": dict(mapping.columns),
                    "codes": {name: dict(codes) for name, codes in mapping.codes.items() if codes},
                    "precision_m": mapping.precision_m,
                }
            ),
        }
        with MultipartForm(
            fields, "files", path, lambda done, total: report("Sending the rows", done, total), cancelled
        ) as form:
            upload = _upload(transport.post_form(UPLOADS, form, cancelled=cancelled), features)
    try:
        return follow(transport, upload, features, report, cancelled), features
    except Cancelled:
        # The load is of no use to anybody any more.
        transport.delete(f"{UPLOADS}/{upload.id}")
        raise


def follow(transport: Transport, upload: Upload, features: Sequence[int], report: Report, cancelled: Cancel) -> Upload:
    """Wait until nothing of it is under way any more; for a task."""
    while upload.state in UNDER_WAY:
        report(upload.step or "Waiting for the server", upload.done, upload.total)
        until = time.monotonic() + _LOOK_AGAIN_S
        while time.monotonic() < until:
            if cancelled():
                raise Cancelled
            time.sleep(_LOOK_AGAIN_S / 8)
        upload = _upload(transport.get_json(f"{UPLOADS}/{upload.id}", cancelled=cancelled), features)
    return upload


def publish(transport: Transport, upload: Upload, features: Sequence[int], report: Report, cancelled: Cancel) -> Upload:
    """Make it visible, and wait until it is. Cancelled, the server goes on without anybody waiting."""
    answer = transport.post_json(f"{UPLOADS}/{upload.id}/publish", {}, cancelled=cancelled)
    return follow(transport, _upload(answer, features), features, report, cancelled)


def drop(transport: Transport, upload: Upload, *, cancelled: Cancel = never) -> None:
    """Let the server forget it."""
    transport.delete(f"{UPLOADS}/{upload.id}", cancelled=cancelled)


def _upload(document: Mapping[str, Any], features: Sequence[int]) -> Upload:
    try:
        told = document["report"]
        return Upload(
            id=int(document["id"]),
            state=UploadState(document["state"]),
            message=str(document["message"]),
            step=str(document["step"]),
            done=int(document["done"]),
            total=int(document["total"]),
            release=document["release"],
            others_staged=int(document["others_staged"]),
            report=_report(told, features) if told else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable() from error


def _report(told: Mapping[str, Any], features: Sequence[int]) -> UploadReport:
    counted = ("rows_in", "accepted", "rejected", "duplicates", "left", "added", "changed", "withdrawn", "unchanged")
    return UploadReport(
        counts={name: int(told[name]) for name in counted},
        months=tuple(told["months"]),
        reasons=dict(told["reasons"]),
        unmapped={name: dict(values) for name, values in told["unmapped"].items()},
        dropped=dict(told["dropped"]),
        blanked=dict(told["blanked"]),
        notes=tuple(told["notes"]),
        errors=tuple(
            RejectedRow(int(one["line"]), str(one["reason"]), _feature(int(one["line"]), features))
            for one in told["errors"]
        ),
    )


def _feature(line: int, features: Sequence[int]) -> int | None:
    at = line - _FIRST_LINE
    return features[at] if 0 <= at < len(features) else None
