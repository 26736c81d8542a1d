"""The watched folder: what is whole is taken once, what is refused says why, and a watcher ends between files."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safestats.sync_server.services import open_services
from safestats.sync_server.settings import Part
from safestats.sync_server.supplies.models import Receipt
from safestats.sync_server.supplies.watching import Afterwards, Watcher, watch
from safestats.tests.server.engines import environment, settings_for
from safestats.tests.server.ingest_rig import held
from safestats.tests.server.jobs_rig import PROGRAM, eventually
from safestats.tests.server.supplies_rig import (
    LAS_HEADER,
    LONDON_HOSPITAL,
    NHS_NUMBER,
    Doors,
    csv_of,
    doors_on,
    istv_csv,
    las_csv,
    las_record,
)
from sqlalchemy import select


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with doors_on(settings_for(tmp_path / "server")) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("las", f"istv/{LONDON_HOSPITAL}", "no-such"):
        (tmp_path / "in" / name).mkdir(parents=True)
    return tmp_path / "in"


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def receipts(doors: Doors) -> list[Receipt]:
    with doors.publisher.database.read() as session:
        return list(session.scalars(select(Receipt).order_by(Receipt.receipt_id)))


def watcher(doors: Doors, folder: Path, afterwards: Afterwards = Afterwards.MOVE, still: float = 0) -> Watcher:
    lines: list[str] = []
    made = Watcher(doors.publisher, folder, afterwards, still, lines.append)
    made.lines = lines  # type: ignore[attr-defined]
    return made


def test_files_are_taken_by_dataset_and_site_and_moved(doors: Doors, folder: Path) -> None:
    (folder / "las/2026-03.csv").write_bytes(las_csv(1, 2))
    (folder / f"istv/{LONDON_HOSPITAL}/2026-03.csv").write_bytes(istv_csv("Mare Street"))
    (folder / "no-such/x.csv").write_bytes(b"x")
    (folder / "las/link.csv").symlink_to(folder / "no-such/x.csv")
    bad = csv_of((*LAS_HEADER, "NHS Number"), [{**las_record(1), "NHS Number": NHS_NUMBER}])
    (folder / "las/bad.csv").write_bytes(bad)
    watching = watcher(doors, folder)
    assert watching.look() == 3 and watching.look() == 0
    assert files_in(folder) == {
        "done/las/2026-03.csv",
        f"done/istv/{LONDON_HOSPITAL}/2026-03.csv",
        "refused/las/bad.csv",
        "refused/las/bad.csv.txt",
        "no-such/x.csv",
        "las/link.csv",
    }
    sentence = (folder / "refused/las/bad.csv.txt").read_text()
    assert "NHS Number" in sentence and NHS_NUMBER not in sentence
    assert [(str(one.door), one.dataset, one.site, str(one.state)) for one in receipts(doors)] == [
        ("folder", "istv", LONDON_HOSPITAL, "accepted"),
        ("folder", "las", "", "accepted"),
        ("folder", "las", "", "refused"),
    ] and doors.waiting == []
    assert len(held(doors.publisher, "las")) == 2 and len(held(doors.publisher, "istv")) == 1
    told = watching.lines  # type: ignore[attr-defined]
    assert sum("no-such" in line for line in told) == 1 and NHS_NUMBER not in str(told)
    # The supplier finds what the team took in for it.
    number = next(one.number for one in receipts(doors) if one.dataset == "istv")
    assert doors.receipt(number, doors.key("istv", LONDON_HOSPITAL))["door"] == "folder"


def test_what_is_still_being_written_is_left(doors: Doors, folder: Path) -> None:
    path = folder / "las/2026-03.csv"
    for name in ("a.csv.part", ".hidden.csv", "~$b.xlsx", "c.tmp"):
        (folder / "las" / name).write_bytes(las_csv(9))
    whole = las_csv(1, 2, 3)
    watching = watcher(doors, folder, Afterwards.DELETE, still=0.3)
    with path.open("wb") as file:
        for piece in (whole[:50], whole[50:200], whole[200:]):
            file.write(piece)
            file.flush()
            os.utime(path, (0, 0))  # a copy that keeps the original's time
            assert watching.look() == 0 and watching.waits
            time.sleep(0.1)
    assert watching.look() == 0
    time.sleep(0.35)
    assert watching.look() == 1 and not path.exists() and receipts(doors)[0].accepted == 3
    assert len(files_in(folder)) == 4


def test_two_watchers_do_not_take_the_same_file(doors: Doors, folder: Path) -> None:
    # Each file is the whole of its month.
    for number in range(12):
        path = folder / f"las/2025-{1 + number:02}.csv"
        path.write_bytes(las_csv(number, Call_Date=f"20/{1 + number:02}/2025"))
    others = open_services(doors.publisher.settings, Part.PUBLISHER)
    first, second = watcher(doors, folder), Watcher(others, folder, Afterwards.MOVE, 0, lambda line: None)
    threads = [threading.Thread(target=watch, args=(one, time.sleep, True)) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    others.close()
    assert len(receipts(doors)) == 12 and {str(one.state) for one in receipts(doors)} == {"accepted"}
    assert len(files_in(folder / "done")) == 12 and len(held(doors.publisher, "las")) == 12


def test_a_file_that_was_loaded_before_a_crash_is_known_again(
    doors: Doors, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "las/2026-03.csv").write_bytes(las_csv(1))

    def crash(*_: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Watcher, "_move", crash)
        watcher(doors, folder).look()
    assert watcher(doors, folder).look() == 1
    assert len(receipts(doors)) == 1 and files_in(folder) == {"done/las/2026-03.csv"}
    # Put there anew it is another supply, which changes nothing.
    (folder / "done/las/2026-03.csv").rename(folder / "las/2026-03.csv")
    assert watcher(doors, folder).look() == 1 and [one.release for one in receipts(doors)] == [1, None]


def test_the_command_ends_between_files(doors: Doors, folder: Path) -> None:
    import subprocess

    (folder / "las/2026-03.csv").write_bytes(las_csv(1))
    words = ["watch", str(folder), "--done", "delete", "--still-seconds", "0.2"]
    process = subprocess.Popen(
        [*PROGRAM, *words],
        env={**environment(doors.publisher.settings), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: files_in(folder) == set(), "it takes no file")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0 and err == "" and "1 rows, 1 accepted" in out
    (folder / "las/2026-04.csv").write_bytes(las_csv(2, Call_Date="20/04/2026"))
    once = subprocess.run(
        [*PROGRAM, *words[:3], "move", *words[4:], "--once"],
        env=environment(doors.publisher.settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert once.returncode == 0, once.stderr
    assert files_in(folder) == {"done/las/2026-04.csv"} and len(held(doors.publisher, "las")) == 2


def test_names_of_files_and_folders_are_told_as_they_may_be(doors: Doors, folder: Path) -> None:
    (folder / "Amelia Kowalczyk").mkdir()
    (folder / "las/Amelia Kowalczyk").mkdir()
    (folder / "las/no\nsite").mkdir()
    (folder / "las/amelia_kowalczyk-2026-03.csv").write_bytes(las_csv(1))
    (folder / "las/NHS 943 476 5919.csv").write_bytes(las_csv(2))
    watching = watcher(doors, folder)
    assert watching.look() == 2
    told = watching.lines  # type: ignore[attr-defined]
    assert any(line.startswith("las/file 1 2026-03.csv: 1 rows") for line in told)
    assert any(line.startswith("las/file 1.csv was refused") for line in told)
    assert any(line.startswith("a folder is the code") for line in told)
    assert all(part not in str(told).casefold() for part in ("kowalczyk", "943", "\\n"))
    assert [one.files[0]["name"] for one in receipts(doors)] == ["file 1 2026-03.csv"]


def test_a_file_in_no_datasets_folder_is_told_once(doors: Doors, folder: Path) -> None:
    (folder / "2026-03.csv").write_bytes(las_csv(1))
    (folder / "amelia_kowalczyk.csv").write_bytes(las_csv(2))
    (folder / "half.part").write_bytes(b"x")
    (folder / "las/2026-03.csv").write_bytes(las_csv(3))
    watching = watcher(doors, folder)
    assert watching.look() == 1 and watching.look() == 0
    loose = [line for line in watching.lines if "no dataset’s folder" in line]  # type: ignore[attr-defined]
    assert [line.split(" lies")[0] for line in sorted(loose)] == ["2026-03.csv", "file 1.csv"]
    assert {"2026-03.csv", "amelia_kowalczyk.csv", "half.part"} <= files_in(folder)
    # Another one of the same name, once the first was taken away.
    (folder / "2026-03.csv").unlink()
    watching.look()
    (folder / "2026-03.csv").write_bytes(las_csv(4))
    watching.look()
    assert sum("no dataset’s folder" in line for line in watching.lines) == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("at", ["refused", "refused/las", "done/las"])
def test_no_link_is_followed_to_where_files_are_moved(doors: Doors, folder: Path, at: str) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (folder / at).parent.mkdir(exist_ok=True)
    (folder / at).symlink_to(elsewhere)
    bad = csv_of((*LAS_HEADER, "NHS Number"), [{**las_record(1), "NHS Number": NHS_NUMBER}])
    (folder / "las/bad.csv").write_bytes(bad)
    watching = watcher(doors, folder)
    assert watching.look() == 0 and watching.look() == 0
    assert files_in(elsewhere) == set() and "las/bad.csv" in files_in(folder) and not receipts(doors)
    told = watching.lines  # type: ignore[attr-defined]
    assert sum(f"{at} is a link" in line for line in told) == 1
    (folder / at).unlink()
    assert watching.look() == 1 and "refused/las/bad.csv" in files_in(folder)


def test_a_note_overwrites_nothing(doors: Doors, folder: Path) -> None:
    bad = csv_of((*LAS_HEADER, "NHS Number"), [{**las_record(1), "NHS Number": NHS_NUMBER}])
    refused = folder / "refused/las"
    refused.mkdir(parents=True)
    (refused / "bad.csv.txt").write_text("kept")
    (folder / "las/bad.csv").write_bytes(bad)
    assert watcher(doors, folder).look() == 1
    assert (refused / "bad.csv.txt").read_text() == "kept"
    assert {"bad (2).csv", "bad (2).csv.txt"} <= files_in(refused)
