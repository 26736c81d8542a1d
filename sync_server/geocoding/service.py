"""Loading parts of the gazetteer and the register of hospitals into the server's folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ...shared.postcodes import POSTCODES_FILE
from ..audit.log import EventType
from ..instants import now
from ..services import Services
from . import store
from .boroughs import Boroughs
from .hospitals import HOSPITALS_FILE, read_hospitals
from .kinds import SourceKind
from .loaders import Surroundings, read_source
from .store import Part


def load_part(services: Services, actor: str, kind: SourceKind, path: Path, edition: str) -> Part:
    """Put a file's places or postcodes in the place of those loaded before; raises ``SafeStatsError``.

    What is loaded places the deliveries that come from then on.
    """
    boroughs = Boroughs(services.areas)
    surroundings = Surroundings.of(services.settings.resources_dir / POSTCODES_FILE)
    frame = read_source(kind, path, surroundings, boroughs)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    part = Part(str(kind), edition or path.stem, path.name, sha256, len(frame), now(), boroughs.edition)
    services.audit.record(
        EventType.GAZETTEER_LOADED,
        actor=actor,
        filter={"kind": str(kind), "edition": part.edition, "sha256": sha256},
        rows=part.rows,
    )
    store.write(services.settings.data_dir, part, frame)
    return part


def remove_part(services: Services, actor: str, kind: SourceKind) -> None:
    """Drop what was loaded of the kind; raises ``SafeStatsError`` where nothing was."""
    store.remove(services.settings.data_dir, str(kind))
    services.audit.record(EventType.GAZETTEER_LOADED, actor=actor, filter={"kind": str(kind), "removed": True}, rows=0)


def load_hospitals(services: Services, actor: str, path: Path) -> int:
    """Put another register of hospitals in force; how many it holds. Raises ``SafeStatsError``."""
    number = len(read_hospitals(path))
    data = path.read_bytes()
    target = services.settings.data_dir / HOSPITALS_FILE
    target.parent.mkdir(mode=0o700, exist_ok=True)
    services.audit.record(
        EventType.GAZETTEER_LOADED,
        actor=actor,
        filter={"kind": "hospitals", "sha256": hashlib.sha256(data).hexdigest()},
        rows=number,
    )
    written = target.with_suffix(".new")
    with written.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    written.replace(target)
    return number
