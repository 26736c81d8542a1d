"""The way to the server: trouble in its own words, downloads that resume, stop and are proved."""

from __future__ import annotations

import hashlib
import http.server
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsNetworkAccessManager
from qgis.PyQt.QtNetwork import QNetworkProxy
from safestats.qgis_plugin.core import download
from safestats.qgis_plugin.core.desk_session import DeskSession
from safestats.qgis_plugin.core.errors import (
    AddressTrouble,
    AgreementRefused,
    Cancelled,
    CertificateTrouble,
    PluginTooOld,
    ProxyTrouble,
    ServerTrouble,
    ServerUnreachable,
    SessionEnded,
    WrongDigest,
)
from safestats.qgis_plugin.core.network import DIRECT, ProxySearch, QgisNetwork
from safestats.qgis_plugin.core.transport import Transport, server_address
from safestats.shared.manifest import CHUNK_BYTES, Artefact

ABOUT = {"name": "SafeStats", "version": "9.9", "api_version": 1, "synthetic": False, "lease_days": 14}


class DirectNetwork:
    """No proxy; ``authorities`` as PEM."""

    def __init__(self, authorities: str = "", proxy: str = "") -> None:
        self._authorities = authorities
        self._proxy = proxy

    def proxy_search(self, url: str) -> ProxySearch:
        return ProxySearch(lambda: (self._proxy,))

    def trusted_authorities(self) -> str:
        return self._authorities


def transport_to(url: str, **network: str) -> Transport:
    return Transport(url, DirectNetwork(**network), "0.1.0")


def never() -> bool:
    return False


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (" https://safestats.example.org/ ", "https://safestats.example.org"),
        ("safestats.example.org", "https://safestats.example.org"),
        ("http://127.0.0.1:8520", "http://127.0.0.1:8520"),
        ("http://localhost:8520/", "http://localhost:8520"),
        ("http://[::1]:8520", "http://[::1]:8520"),
    ],
)
def test_an_address_is_understood(typed: str, address: str) -> None:
    assert server_address(typed) == address


@pytest.mark.parametrize(
    "typed", ["", "http://safestats.example.org", "ftp://example.org", "https://a:b@c", "https://x:y"]
)
def test_an_address_that_is_unsafe_or_none_is_refused(typed: str) -> None:
    with pytest.raises(AddressTrouble):
        server_address(typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("https://x:y", "what follows the colon must be a port, a number from 0 to 65535"),
        ("x:99999", "what follows the colon must be a port, a number from 0 to 65535"),
        ("https://[::1", "what stands in square brackets is no IPv6 address"),
        ("https://[x]:80", "what stands in square brackets is no IPv6 address"),
        ("https://a\u2100b", "it holds characters that no address has"),
    ],
)
def test_what_is_wrong_in_an_address_is_told_in_our_own_words(typed: str, words: str) -> None:
    with pytest.raises(AddressTrouble) as caught:
        server_address(typed)
    shown = typed if "://" in typed else f"https://{typed}"
    assert caught.value.sentence == (
        f"“{shown}” is no server address: {words}. It should look like https://safestats.example.org."
    )


def test_plain_http_away_from_this_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(AddressTrouble, match="not encrypted"):
        Transport("http://10.0.0.1", DirectNetwork(), "0.1.0")


# ---------------------------------------------------------------- trouble


def test_no_server_answers() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=f"No server answers at http://127.0.0.1:{port}"):
        transport_to(f"http://127.0.0.1:{port}").get_json("/v1/about")


def test_a_web_page_is_no_safestats_server(scripted_server) -> None:
    scripted_server.bytes("/v1/about", b"<html>Welcome</html>", kind="text/html")
    with pytest.raises(ServerTrouble, match="is not a SafeStats server"):
        transport_to(scripted_server.url).get_json("/v1/about")
    with pytest.raises(ServerTrouble, match="is not a SafeStats server"):
        transport_to(scripted_server.url).get_json("/elsewhere")


def test_a_broken_server_is_told_from_a_wrong_address(scripted_server) -> None:
    scripted_server.bytes("/v1/about", b"oh no", status=500)
    with pytest.raises(ServerTrouble, match="trouble of its own"):
        transport_to(scripted_server.url).get_json("/v1/about")


def test_a_redirect_is_not_followed(scripted_server) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "https://elsewhere.example")
        request.send_header("Content-Length", "0")
        request.end_headers()

    scripted_server.answers["/v1/about"] = answer
    with pytest.raises(ServerTrouble, match="elsewhere.example"):
        transport_to(scripted_server.url).get_json("/v1/about")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "agreement-ended", AgreementRefused),
        (403, "no-agreement", AgreementRefused),
        (401, "session-ended", SessionEnded),
        (503, "layer-preparing", ServerTrouble),
    ],
)
def test_a_problem_keeps_the_servers_sentence(scripted_server, status: int, code: str, kind: type) -> None:
    scripted_server.problem("/v1/x", status, code, "Your agreement ended on 21 November 2026.")
    with pytest.raises(kind) as caught:
        transport_to(scripted_server.url).get_json("/v1/x")
    assert caught.value.sentence == "Your agreement ended on 21 November 2026."
    assert caught.value.code == code


def test_a_newer_server_asks_for_a_newer_plugin(scripted_server) -> None:
    scripted_server.json("/v1/about", {**ABOUT, "api_version": 2})
    with pytest.raises(PluginTooOld, match="newer than this plugin"):
        DeskSession(transport_to(scripted_server.url)).sign_in("ada", "secret")
    assert [path for _, path, _ in scripted_server.asked] == ["/v1/about"]  # the password was not sent


def test_the_token_is_sent_and_forgotten(scripted_server) -> None:
    scripted_server.json("/v1/x", {})
    transport = transport_to(scripted_server.url)
    transport.use_token("abc")
    transport.get_json("/v1/x")
    transport.use_token("")
    transport.get_json("/v1/x")
    first, second = (headers for _, _, headers in scripted_server.asked)
    assert first["Authorization"] == "Bearer abc"
    assert first["X-SafeStats-Client"] == "qgis/0.1.0"
    assert "Authorization" not in second


# ---------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("status", "words"), [(407, "asks for a user name and password"), (403, "refuses the connection")]
)
def test_a_proxy_that_refuses_is_named(scripted_server, status: int, words: str) -> None:
    scripted_server.bytes("safestats.example.org:443", b"", status=status)
    transport = transport_to("https://safestats.example.org", proxy=scripted_server.url)
    with pytest.raises(ProxyTrouble, match=words):
        transport.get_json("/v1/about")


def test_a_proxy_that_is_down_is_named() -> None:
    transport = transport_to("https://safestats.example.org", proxy="http://127.0.0.1:9")
    with pytest.raises(ProxyTrouble, match="does not answer"):
        transport.get_json("/v1/about")


def test_the_proxy_is_the_one_of_qgis(qgis_app, scripted_server) -> None:
    manager = QgsNetworkAccessManager.instance()
    proxy = QNetworkProxy(QNetworkProxy.ProxyType.HttpProxy, "127.0.0.1", scripted_server.port, "me", "p@ss")
    manager.setFallbackProxyAndExcludes(proxy, ["https://direct.example.org"], [])
    try:
        network = QgisNetwork()
        by_proxy = network.proxy_search("https://safestats.example.org")
        assert by_proxy.find() == (f"http://me:p%40ss@127.0.0.1:{scripted_server.port}",) and not by_proxy.by_system
        assert network.proxy_search("https://direct.example.org/v1").find() == (DIRECT,)
        with pytest.raises(ProxyTrouble):
            Transport("https://safestats.example.org", network, "0.1.0").get_json("/v1/about")
        assert not any("Proxy-Authorization" in headers for *_, headers in scripted_server.asked)
        assert scripted_server.asked[0][:2] == ("CONNECT", "safestats.example.org:443")
        # A server on this machine is never reached through a proxy.
        scripted_server.json("/v1/about", ABOUT)
        assert Transport(scripted_server.url, network, "0.1.0").get_json("/v1/about") == ABOUT
    finally:
        manager.setFallbackProxyAndExcludes(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy), [], [])


# ---------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[str]:
    """An HTTPS server with that certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"answer": 42}')

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_certificate_that_nobody_trusts_is_refused(qgis_app, tls_server: str) -> None:
    with pytest.raises(CertificateTrouble, match="nobody that QGIS trusts has signed it"):
        Transport(tls_server, QgisNetwork(), "0.1.0").get_json("/")


def test_an_authority_that_qgis_trusts_is_accepted(tls_server: str, certificate: Path) -> None:
    trusted = (certificate / "certificate.pem").read_text()
    assert transport_to(tls_server, authorities=trusted).get_json("/") == {"answer": 42}


def test_a_certificate_of_another_name_is_refused(tls_server: str, certificate: Path) -> None:
    trusted = (certificate / "certificate.pem").read_text()
    transport = transport_to(tls_server.replace("127.0.0.1", "localhost"), authorities=trusted)
    with pytest.raises(CertificateTrouble, match="another name"):
        transport.get_json("/")


def test_https_to_a_port_without_tls(scripted_server) -> None:
    with pytest.raises(CertificateTrouble, match="does not speak https"):
        transport_to(scripted_server.url.replace("http:", "https:")).get_json("/")


# ---------------------------------------------------------------- downloads


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(2 * CHUNK_BYTES + 12_345)


def artefact_of(content: bytes) -> Artefact:
    chunks = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    digests = tuple(hashlib.sha256(chunk).hexdigest() for chunk in chunks)
    return Artefact("file", len(content), hashlib.sha256(content).hexdigest(), digests)


def fetch(server, part: Path, artefact: Artefact, cancelled=never, progress=lambda _done: None) -> None:
    part.touch()
    download.Download(transport_to(server.url), "/file", artefact, lambda _block: None, progress, cancelled).fetch(part)


def ranges(server) -> list[str]:
    return [headers.get("Range", "") for _, path, headers in server.asked if path == "/file"]


def test_a_download_is_complete_and_tells_how_far_it_is(scripted_server, tmp_path: Path, content: bytes) -> None:
    scripted_server.bytes("/file", content)
    told: list[int] = []
    fetch(scripted_server, tmp_path / "part", artefact_of(content), progress=told.append)
    assert (tmp_path / "part").read_bytes() == content
    assert told == sorted(told) and told[-1] == len(content)


def test_a_download_goes_on_after_the_last_chunk_that_is_right(scripted_server, tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(content[:CHUNK_BYTES] + b"wrong" * 1000)
    scripted_server.bytes("/file", content)
    fetch(scripted_server, part, artefact_of(content))
    assert part.read_bytes() == content
    assert ranges(scripted_server) == [f"bytes={CHUNK_BYTES}-"]


def test_a_complete_part_asks_for_nothing(scripted_server, tmp_path: Path, content: bytes) -> None:
    part = tmp_path / "part"
    part.write_bytes(content)
    fetch(scripted_server, part, artefact_of(content))
    assert scripted_server.asked == []


def test_a_wrong_chunk_is_asked_for_again_then_refused(scripted_server, tmp_path: Path, content: bytes) -> None:
    wrong = bytearray(content)
    wrong[CHUNK_BYTES + 5] ^= 1
    scripted_server.bytes("/file", bytes(wrong))
    part = tmp_path / "part"
    with pytest.raises(WrongDigest, match="not what was published"):
        fetch(scripted_server, part, artefact_of(content))
    assert ranges(scripted_server) == ["", f"bytes={CHUNK_BYTES}-"]
    assert part.read_bytes() == content[:CHUNK_BYTES]  # the right chunk is kept
    scripted_server.bytes("/file", content)
    fetch(scripted_server, part, artefact_of(content))
    assert part.read_bytes() == content


def test_a_connection_that_breaks_keeps_what_is_proved(scripted_server, tmp_path: Path, content: bytes) -> None:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: CHUNK_BYTES + 1000])
        request.close_connection = True

    scripted_server.answers["/file"] = answer
    part = tmp_path / "part"
    with pytest.raises(ServerUnreachable, match="broke off"):
        fetch(scripted_server, part, artefact_of(content))
    assert part.read_bytes() == content[:CHUNK_BYTES]


def test_cancelling_works_within_a_second_while_no_byte_arrives(
    scripted_server, tmp_path: Path, content: bytes
) -> None:
    released = threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:1000])
        request.wfile.flush()
        released.wait(30)

    scripted_server.answers["/file"] = answer
    stopped: list[float] = []
    threading.Timer(0.5, lambda: stopped.append(time.monotonic())).start()
    with pytest.raises(Cancelled):
        fetch(scripted_server, tmp_path / "part", artefact_of(content), cancelled=lambda: bool(stopped))
    released.set()
    assert time.monotonic() - stopped[0] < 1
