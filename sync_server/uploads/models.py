"""What was uploaded to be loaded by a job, and what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Upload(Base):
    """Files that a job loads. While ``kept``, they wait in the folder of incoming files.

    ``release`` is what they were staged for, ``delivery_id`` what was recorded; that goes when the delivery is
    discarded. ``report`` is of a load that changed nothing, and so left no delivery. ``comparison`` counts rows by
    month and borough, before and after. Files of several sites that were sent together have the first one's number as
    ``batch``; ``recognised`` tells what the site of such a file was known by (``recognising.KnownBy``).
    """

    __tablename__ = "upload"

    job_id: Mapped[int] = mapped_column(ForeignKey("publishing_job.id"), primary_key=True, autoincrement=False)
    dataset: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(64), default="")
    synthetic: Mapped[bool | None]  # null: their names tell
    accept_withdrawals: Mapped[bool] = mapped_column(default=False)
    mapping: Mapped[str] = mapped_column(Text, default="")  # a document that holds for them alone; "": as for any load
    files: Mapped[list[dict[str, Any]]] = mapped_column(JSON)  # token, name, size, sha256
    kept: Mapped[bool] = mapped_column(default=True)
    release: Mapped[int | None]
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("delivery.delivery_id", ondelete="SET NULL"))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    comparison: Mapped[list[list[Any]] | None] = mapped_column(JSON(none_as_null=True))
    batch: Mapped[int | None]
    recognised: Mapped[str | None] = mapped_column(String(16))
