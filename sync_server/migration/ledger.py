"""What is written down of a plan's steps, so that a run that was broken off is taken up where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..database import Database
from ..instants import now
from .files import PlanFile
from .models import MigrationFile, MigrationStep, StepKind, StepState


@dataclass(frozen=True)
class Taken:
    """A file as a step found it."""

    file: PlanFile
    sha256: str


class Ledger:
    """The steps of the plan of a name."""

    def __init__(self, database: Database, plan: str) -> None:
        self._database = database
        self._plan = plan

    def done(self, kind: StepKind) -> dict[str, str]:
        """Subjects of steps that are done → the digest of what they were done from ("" where none was told)."""
        with self._database.read() as session:
            found = session.scalars(self._steps(kind).where(MigrationStep.state == StepState.DONE))
            return {step.subject: str(step.report.get("digest", "")) for step in found}

    def steps(self, kind: StepKind | None = None) -> Sequence[MigrationStep]:
        """The steps as they ended last, in the order in which they did."""
        with self._database.read() as session:
            return session.scalars(self._steps(kind).order_by(MigrationStep.migration_step_id)).all()

    def files(self, state: StepState) -> list[MigrationFile]:
        """The files in a state, by dataset, site and name."""
        wanted = select(MigrationFile).where(MigrationFile.plan == self._plan, MigrationFile.state == state)
        with self._database.read() as session:
            names = (MigrationFile.dataset, MigrationFile.site, MigrationFile.name)
            return list(session.scalars(wanted.order_by(*names)))

    def loaded(self) -> dict[tuple[str, str, str], str]:
        """(dataset, site, name) of the files that were loaded → the SHA-256 of what they held then."""
        return {(file.dataset, file.site, file.name): file.sha256 for file in self.files(StepState.DONE)}

    def try_again(self, kind: StepKind) -> None:
        """Forget what was set aside of a kind: it is tried anew."""
        with self._database.write() as session:
            mine = (MigrationStep.plan == self._plan, MigrationStep.kind == kind)
            session.execute(delete(MigrationStep).where(*mine, MigrationStep.state == StepState.SET_ASIDE))

    def record(
        self,
        kind: StepKind,
        subject: str,
        state: StepState,
        sentence: str = "",
        report: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
        files: Iterable[Taken] = (),
    ) -> None:
        """Write down how a step ended, in the place of how it ended before."""
        with self._database.write() as session:
            self.record_in(session, kind, subject, state, sentence, report, seconds, files)

    def record_in(
        self,
        session: Session,
        kind: StepKind,
        subject: str,
        state: StepState,
        sentence: str = "",
        report: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
        files: Iterable[Taken] = (),
    ) -> None:
        """As ``record``, in the transaction of what the step does: both are there, or neither."""
        step = MigrationStep(
            plan=self._plan,
            kind=kind,
            subject=subject,
            state=state,
            sentence=sentence,
            report=dict(report or {}),
            seconds=seconds,
            ended_at=now(),
        )
        session.add(step)
        session.flush()
        for taken in files:
            self._put(session, step, taken)
        self._forget(session, step)

    def _put(self, session: Session, step: MigrationStep, taken: Taken) -> None:
        file = taken.file
        where = (
            MigrationFile.plan == self._plan,
            MigrationFile.dataset == file.dataset,
            MigrationFile.site == file.site,
            MigrationFile.name == file.name,
        )
        row = session.scalar(select(MigrationFile).where(*where))
        if row is None:
            row = MigrationFile(plan=self._plan, dataset=file.dataset, site=file.site, name=file.name)
            session.add(row)
        row.migration_step_id, row.state, row.sentence = step.migration_step_id, step.state, step.sentence
        row.size, row.sha256 = file.unpacked, taken.sha256
        session.flush()

    def _forget(self, session: Session, step: MigrationStep) -> None:
        """The steps whose place this one takes: of its subject, and tries of files that have another now."""
        others = (
            MigrationStep.plan == self._plan,
            MigrationStep.kind == step.kind,
            MigrationStep.migration_step_id != step.migration_step_id,
        )
        with_files = select(MigrationFile.migration_step_id)
        if step.kind == StepKind.LOAD:
            unused = MigrationStep.migration_step_id.not_in(with_files)
            session.execute(delete(MigrationStep).where(*others, unused))
        else:
            session.execute(delete(MigrationStep).where(*others, MigrationStep.subject == step.subject))

    def _steps(self, kind: StepKind | None) -> Any:
        wanted = select(MigrationStep).where(MigrationStep.plan == self._plan)
        return wanted if kind is None else wanted.where(MigrationStep.kind == kind)
