"""An organisation's house style: set on its page, told to its own people's desks, refused where it could do harm."""

from __future__ import annotations

import hashlib
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pyogrio
import pytest
from safestats.shared.pictures import clean_png, png_chunks, png_size
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.house_style import base_map
from safestats.sync_server.house_style.service import MOST_LOGO_BYTES
from safestats.tests.server import console_rig
from safestats.tests.server.console_rig import PASSWORD, Console
from safestats.tests.server.engines import databases_of_a_test, settings_for
from safestats.tests.zoomstack import LAYERS, write_zoomstack

# Made above the database: one engine will do in every commit, the other is for `make test-slow`.
pytestmark = pytest.mark.above_engines

PAGE = "/console/house-style"
SERVICE = {
    "map_address": "https://maps.camden.example/wmts",
    "map_layer": "street",
    "map_matrix_set": "EPSG:27700",
    "map_format": "image/png",
    "map_attribution": "© Crown copyright 2026 Ordnance Survey AC0000",
}
BOX = (500_000.0, 150_000.0, 565_000.0, 205_000.0)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = 2, height: int = 1, *more: bytes) -> bytes:
    rows = b"".join(b"\0" + b"\x10\x20\x30" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more)
    return head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(width: int, height: int, depth: int, colour: int, packed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    settings = settings_for(tmp_path / "server")
    console_rig.make_server(settings)
    with databases_of_a_test(), console_rig.running(settings) as running:
        yield running


def desk(console: Console, username: str) -> dict[str, str]:
    """The headers of a session at a desk."""
    client = console.visitor().client
    opened = client.post("/v1/session", json={"username": username, "password": PASSWORD, "client": "QGIS"}).json()
    conditions = opened["conditions"]
    accepted = client.post(
        "/v1/session/accept",
        json={
            "conditions_version": conditions["version"],
            "conditions_sha256": conditions["sha256"],
            "purpose": "needs-assessment",
        },
        headers={"Authorization": f"Bearer {opened['token']}"},
    ).json()
    return {"Authorization": f"Bearer {accepted['token']}"}


def told(console: Console, username: str) -> dict:
    answer = console.visitor().client.get("/v1/house-style", headers=desk(console, username))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_is_set_on_the_page_and_told_to_its_own_people_alone(console):
    admin = console.as_("camden.admin")
    page = admin.get(PAGE)
    assert page.status == 200
    logo = png(4, 2, chunk(b"tEXt", b"Author\0A. Person"), chunk(b"eXIf", b"secret"))
    page = admin.send(
        page, PAGE, {"logo": ("logo.png", logo, "image/png")}, colour="#AA0011", font="Noto Sans", logo_words="Camden",
        **SERVICE,
    )  # fmt: skip
    assert page.path == PAGE and "It is set." in page.text
    mine = told(console, "camden.analyst")
    assert (mine["colour"], mine["font"], mine["logo_words"]) == ("#aa0011", "Noto Sans", "Camden")
    assert mine["organisation"] == "London Borough of Camden"
    picture = b64decode(mine["logo"])
    assert png_size(picture) == (4, 2)
    assert {kind for kind, _ in png_chunks(picture)} == {b"IHDR", b"IDAT", b"IEND"}
    assert mine["map_service"]["attribution"] == SERVICE["map_attribution"]
    assert mine["base_map"] is None
    theirs = told(console, "hackney.analyst")
    assert (theirs["colour"], theirs["logo"], theirs["map_service"]) == ("", "", None)
    (event,) = [one for one in console.events() if "house style: logo" in str(one.get("filter"))]
    assert event["organisation"] == "camden"

    page = admin.send(admin.get(PAGE), PAGE, colour="#aa0011", font="Noto Sans", logo_words="Camden", **SERVICE)
    assert "Nothing was different." in page.text  # and the logo stays
    assert told(console, "camden.analyst")["logo"] == mine["logo"]
    admin.send(admin.get(PAGE), PAGE, without_logo="yes", logo_words="Camden")
    assert told(console, "camden.analyst")["logo"] == ""
    assert told(console, "camden.analyst")["map_service"] is None


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"colour": "red"}, "A colour is written as #"),
        ({"font": "x; url(http://a)"}, "A font is named as its family"),
        ({**SERVICE, "map_address": "http://maps.camden.example/wmts"}, "begins with https://"),
        ({**SERVICE, "map_address": "https://user:secret@maps.camden.example/"}, "holds no user name"),
        ({**SERVICE, "map_address": "https://a.tile.openstreetmap.org/"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://tile.openstreetmap.org./"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://tile.openstreetmap.de/"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://tiles.arcgis.com/wmts"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://mt1.google.co.uk/vt"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://maps.gstatic.com/"}, "is no service of your organisation"),
        ({**SERVICE, "map_address": "https://maps.camden.example/a b"}, "holds a space"),
        ({**SERVICE, "map_address": "https://maps.camden\u200b.example/"}, "does not print"),
        ({**SERVICE, "map_address": "http://localhost/wmts"}, "begins with https://"),
        ({**SERVICE, "map_address": "https://localhost./wmts"}, "names this computer"),
        ({**SERVICE, "map_address": "https://127.1/wmts"}, "names this computer"),
        ({**SERVICE, "map_address": "https://[::1]/wmts"}, "names this computer"),
        ({**SERVICE, "map_address": "https://169.254.169.254/"}, "names this computer"),
        ({**SERVICE, "map_address": "https://10.0.0.8/wmts"}, "names this computer"),
        ({**SERVICE, "map_attribution": ""}, "the attribution to be printed"),
        ({**SERVICE, "map_layer": "street&url=http://elsewhere"}, "as the service’s capabilities do"),
    ],
)
def test_what_could_do_harm_is_refused_in_a_sentence(console, typed, sentence):
    admin = console.as_("camden.admin")
    page = admin.send(admin.get(PAGE), PAGE, **typed)
    assert page.status == 422
    assert sentence.replace("’", "'") in page.text.replace("’", "'")
    assert told(console, "camden.analyst")["map_service"] is None


@pytest.mark.parametrize(
    ("logo", "sentence"),
    [
        (b"<svg onload='x'/>", "this is no PNG"),
        (png()[:-9], "the PNG is cut off"),
        (png()[:-14] + b"x" + png()[-13:], "the PNG is damaged"),
        (png(3000, 1), "3000 by 1 pixels"),
        (picture(2, 1, 8, 2, b"garbage"), "cannot be drawn"),
        (picture(2, 1, 8, 2, zlib.compress(bytes(50_000_000))), "more or less than its size tells"),
        (picture(2, 1, 8, 2, zlib.compress(bytes(6))), "more or less than its size tells"),
        (picture(2, 1, 4, 2, zlib.compress(bytes(4))), "cannot be drawn"),
        (picture(2, 1, 8, 3, zlib.compress(bytes(3))), "cannot be drawn"),
        (picture(2, 1, 8, 2, zlib.compress(b"\5" + bytes(6))), "cannot be drawn"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * MOST_LOGO_BYTES, "bytes, of 150,000"),
    ],
)
def test_a_logo_that_is_no_small_sound_png_is_refused(console, logo, sentence):
    admin = console.as_("camden.admin")
    page = admin.send(admin.get(PAGE), PAGE, {"logo": ("logo.png", logo, "image/png")})
    assert page.status == 422, page.text
    assert sentence in page.text


def test_cleaning_a_picture_keeps_it_and_drops_the_rest():
    dirty = png(5, 5, chunk(b"tEXt", b"Comment\0here"), chunk(b"tIME", b"1234567")) + b"appended after the end"
    assert png_size(clean_png(dirty)) == (5, 5)
    assert b"here" not in clean_png(dirty) and b"appended" not in clean_png(dirty)
    assert clean_png(clean_png(dirty)) == clean_png(dirty)


def test_the_base_map_is_cut_from_zoomstack_and_fetched_by_range(console, tmp_path):
    source = write_zoomstack(tmp_path / "zoomstack.gpkg")
    target = console.services.settings.base_map_path
    heard = {}
    base_map.load(source, target, BOX, "October 2026", 2026, heard.__setitem__)
    assert heard["names"] == 1  # of two: the other lies far away
    assert "contours" not in heard
    layers = {name for name, _ in pyogrio.list_layers(target)} - {"edition"}
    assert layers == set(LAYERS) - {"contours"}
    assert pyogrio.read_info(target, layer="roads_national")["fields"].tolist() == ["type", "name", "number"]
    offered = told(console, "camden.officer")["base_map"]
    content = target.read_bytes()
    assert offered["title"] == "OS Open Zoomstack, October 2026"
    assert (offered["size"], offered["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    client, headers = console.visitor().client, desk(console, "camden.officer")
    part = client.get("/v1/base-map", headers={**headers, "Range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, content[100:])
    assert client.get("/v1/base-map").status_code == 401
    target.write_bytes(content[:-1])  # somebody tampered: none is offered
    assert told(console, "camden.officer")["base_map"] is None
    assert client.get("/v1/base-map", headers=headers).status_code == 404


def test_another_file_is_no_base_map_and_the_former_stays(tmp_path):
    target = tmp_path / "base" / "base-map.gpkg"
    base_map.load(write_zoomstack(tmp_path / "good.gpkg"), target, BOX, "1", 2026, lambda *_: None)
    before = target.read_bytes()
    lacking = write_zoomstack(tmp_path / "lacking.gpkg", without="surfacewater")
    with pytest.raises(SafeStatsError, match="has no layer “surfacewater”"):
        base_map.load(lacking, target, BOX, "2", 2026, lambda *_: None)
    (tmp_path / "text.gpkg").write_text("no map")
    with pytest.raises(SafeStatsError, match="cannot be read"):
        base_map.load(tmp_path / "text.gpkg", target, BOX, "2", 2026, lambda *_: None)
    with pytest.raises(SafeStatsError, match="holds nothing where incidents are"):
        base_map.load(tmp_path / "good.gpkg", target, (0, 0, 1, 1), "2", 2026, lambda *_: None)
    assert target.read_bytes() == before
    assert sorted(path.name for path in target.parent.iterdir()) == ["base-map.gpkg", "base-map.json"]
