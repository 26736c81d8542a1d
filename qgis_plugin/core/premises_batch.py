"""A list of premises made into one workbook and a zip of pages; there in full, or not at all."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .analysis_error import AnalysisError
from .borough_ranks import BoroughRanks
from .coverage import CoverageMap
from .places import PlaceFinder
from .points import CancelledCheck, Rows, never_cancelled
from .premises import Premises, Rejected, answer_premises, read_premises
from .premises_workbook import PremisesWorkbook
from .proximity import PlaceSearch, Report, no_report
from .proximity_question import Question, plan
from .replacing import delete, put_in_place

WORKBOOK, PAGES = "premises.xlsx", "premises-pages.zip"
_UNFIT = re.compile(r"[^\w&' .()-]+")
_LONGEST_NAME = 60

# A page as PDF of one premises' answer.
Page = Callable[[Premises, PlaceSearch], bytes]


@dataclass(frozen=True)
class Batch:
    """What was made: the files with their SHA-256, how many premises were answered, and those that could not be.

    ``counted`` tells, by the dataset's code, how many incidents the answers speak of (one may count around several).
    """

    files: tuple[tuple[Path, str], ...]
    answered: int
    rejected: tuple[Rejected, ...]
    counted: dict[str, int]


def run_batch(
    listed: Path,
    folder: Path,
    sources: Sequence[Rows],
    question: Question,
    finder: PlaceFinder,
    coverages: CoverageMap,
    ranks: BoroughRanks,
    page: Page | None,
    cancelled: CancelledCheck = never_cancelled,
    report: Report = no_report,
) -> Batch:
    """Answer ``question`` around every premises of the CSV ``listed``; ``page`` draws the pages, ``None`` for none.

    For a background thread. Raises ``AnalysisError`` and ``Cancelled``; then neither file is there.
    """
    premises = read_premises(listed, finder, cancelled)
    planned = plan(sources, question, date.today())
    rejected, answered, counted = list(premises.rejected), 0, {}
    workbook, pages = folder / WORKBOOK, folder / PAGES
    with ExitStack() as stack:
        book = stack.enter_context(PremisesWorkbook(workbook, question.radii))
        book.say((f"Counted: {planned.now.label}.", *planned.left_out))
        book.say(["Datasets are never added up: each service records the same event in its own way."])
        archive = stack.enter_context(_Archive(pages)) if page is not None else None
        for one, found in answer_premises(premises.premises, planned, coverages, ranks, cancelled, report):
            if isinstance(found, Rejected):
                rejected.append(found)
                continue
            book.add(one, found.answer)
            if archive is not None and page is not None:
                archive.add(one, page(one, found))
            answered += 1
            for part in found.answer.datasets:
                counted[part.code] = counted.get(part.code, 0) + (part.rows[0].figures[-1].count or 0)
        rejected.sort(key=lambda one: one.line)
        book.reject(rejected)
        if not answered:
            raise AnalysisError(
                f"None of the premises of {listed.name} could be searched around. Line {rejected[0].line}: "
                f"{rejected[0].sentence}",
                "premises",
            )
        report("Writing the workbook", len(premises.premises), len(premises.premises))
    files = [workbook, *([pages] if page is not None else [])]
    return Batch(
        tuple((path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files),
        answered,
        tuple(rejected),
        counted,
    )


class _Archive:
    """A zip that is moved into place at the end; broken off, nothing is left."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f"{path.name}.part")

    def __enter__(self) -> _Archive:
        try:
            self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_DEFLATED)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def add(self, premises: Premises, content: bytes) -> None:
        name = _UNFIT.sub(" ", premises.name).strip(" .")[:_LONGEST_NAME].strip()
        try:
            # The line makes each name a different one, and leads back to the list.
            self._zip.writestr(f"{premises.line:05d} {name or premises.place.label}.pdf", content)
        except OSError as error:
            raise self._unwritable(error) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._zip.close()
            if kind is None:
                put_in_place(self._part, self._path)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            delete(self._part)

    def _unwritable(self, error: OSError) -> AnalysisError:
        return AnalysisError(
            f"The pages cannot be written to {self._path} ({error.strerror or error}): choose a folder of your own "
            "with room on its disk.",
            "premises",
        )
