"""Refusals of access in the audit: by role, of a form that is not ours, of a session that may not work yet or any more.

What a service refuses for reasons of its own (an agreement, a purpose, a password), it records itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from ..audit.log import AuditLog, EventType, Outcome
from ..instants import now
from ..problems import Problem
from .subject import Subject


def path_of(request: Request) -> str:
    """The template of the route that was asked for: it holds nothing that somebody typed."""
    return getattr(request.scope.get("route"), "path", "")


@contextmanager
def audited_refusals(audit: AuditLog, path: str, subject: Subject) -> Iterator[None]:
    """Records the ``Problem`` with which the block refuses the subject, and passes it on."""
    try:
        yield
    except Problem as problem:
        audit_refusal(audit, problem, path, subject)
        raise


def audit_refusal(audit: AuditLog, problem: Problem, path: str, subject: Subject | None = None) -> None:
    """Record that access was refused: once a minute for a session, a reason and a path.

    Of those who are not known it is once a minute for a reason, whoever they are: nothing holds them to a pace.
    Raises as ``AuditLog.record``.
    """
    reason = problem.document.code
    of = f"{subject.session_id}:{path}" if subject else ""
    audit.record(
        EventType.ACCESS_REFUSED,
        **(subject.audited if subject else {"actor": ""}),
        filter={"path": path},
        outcome=Outcome.REFUSED,
        reason=reason,
        once=f"access:{of}:{reason}:{int(now().timestamp()) // 60}",
    )
