"""A server with a publisher who has a second factor, an analyst, and layers as people have them in QGIS."""

from __future__ import annotations

import base64
import hmac
import json
import struct
import time
import urllib.request
from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer
from qgis.PyQt.QtCore import QDate
from safestats.tests.commands import SUPPLIERS_TERMS, agreement, organisation
from safestats.tests.end_to_end.rig import PASSWORD, Analyst, LiveServer, ServerFolder

EVERYTHING = "--areas london,unplaced,outside --fields core,area,location,place --precision point"
# In Camden; a place that is none.
CAMDEN, NOWHERE = (-0.1415, 51.5400), (0.0, 95.0)


class Publishing:
    """``pia`` of the GLA publishes; ``ann`` of Camden may sync all of the City's incidents."""

    def __init__(self, folder: Path) -> None:
        self.server = LiveServer(ServerFolder(folder / "server").initialise(SUPPLIERS_TERMS))
        self.server.folder.run(
            organisation("gla", "Greater London Authority"),
            organisation("camden", "London Borough of Camden"),
            "user add pia --org gla --role publisher --password-stdin",
            "user add ann --org camden --password-stdin",
            *agreement("DSA-1", "camden", "colp", EVERYTHING),
        )
        self.server.start()
        self._codes = self._enrol()

    def publisher(self, folder: Path, project: Any = None) -> Analyst:
        """The publisher at a desk, signed in."""
        person = Analyst(folder, self.server.url, "pia", project)
        person.sign_in()
        person._wait(lambda *ends: person.desk.steps.prove_second_factor(self._codes.pop(), *ends))
        person.accept()
        return person

    def analyst(self, folder: Path) -> Analyst:
        """The analyst at another desk, signed in."""
        return Analyst(folder, self.server.url, "ann").begin()

    def _enrol(self) -> list[str]:
        """Set up the publisher's second factor, as the console does; the recovery codes."""
        opened = self._post("/v1/session", {"username": "pia", "password": PASSWORD})
        secret = self._post("/v1/session/enrolment", {}, opened["token"])["secret"]
        done = self._post("/v1/session/enrolment/confirm", {"code": _code(secret)}, opened["token"])
        return list(done["recovery_codes"])

    def _post(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        asked = urllib.request.Request(self.server.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)


def incidents_layer(
    rows: Sequence[tuple[QDate | None, str, str, tuple[float, float] | None]], street: str = "street"
) -> QgsVectorLayer:
    """A memory layer of (day, kind, road, longitude and latitude), and a column that is nobody's business."""
    uri = f"Point?crs=EPSG:4326&field=occurred:date&field=crime_type:string&field={street}:string&field=officer:string"
    layer = QgsVectorLayer(uri, "Incidents of May", "memory")
    features = []
    for day, kind, road, place in rows:
        feature = QgsFeature(layer.fields())
        feature.setAttributes([day, kind, road, "PC Secret"])
        if place is not None:
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
        features.append(feature)
    assert layer.dataProvider().addFeatures(features)[0]
    return layer


def may(number: int) -> QDate:
    """A day of May."""
    return QDate(2025, 5, number)


def _code(secret: str) -> str:
    """What the person's telephone shows now (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"
