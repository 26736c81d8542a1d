"""Large transfers through a proxy that Qt signs in to, and what becomes of a wrong password there."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safestats.qgis_plugin.core.errors import Cancelled, ProxyTrouble
from safestats.qgis_plugin.core.network import ProxySearch
from safestats.qgis_plugin.core.transport import Transport
from safestats.tests.certificates import Authority
from safestats.tests.network_part import RunningPart

NAME = "safestats.test"
CONTENT = bytes(range(256)) * 4096 * 24  # 24 MiB
BLOCK = 64 * 1024
ASKS = {
    "digest": ("--digest", "MD5"),
    "ntlm": ("--ntlm",),
    "ntlm or basic": ("--ntlm", "--also-basic"),
    "digest or basic": ("--digest", "MD5", "--also-basic"),
}
BY_BASIC = {"basic": (), "basic or a digest that Qt does not know": ("--digest", "SHA-256", "--also-basic")}
IN_CLEAR = "a password in clear"


class Files(BaseHTTPRequestHandler):
    """Serves ``CONTENT`` from any byte on; at ``/cut`` half of it, at ``/slow`` hardly any."""

    protocol_version = "HTTP/1.1"  # connections are kept

    def do_GET(self) -> None:
        start = int(re.sub(r"\D", "", self.headers.get("Range", "")) or 0)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        end = len(CONTENT) // 2 if self.path == "/cut" else len(CONTENT)
        try:
            for at in range(start, end, BLOCK):
                self.wfile.write(CONTENT[at : min(at + BLOCK, end)])
                if self.path == "/slow":
                    time.sleep(0.2)
        except OSError:
            pass
        self.close_connection = self.path == "/cut"

    def do_POST(self) -> None:
        received = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"bytes": %d}' % len(received)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_told: object) -> None:
        pass


class Network:
    """One proxy, and the authority that has signed the server's certificate."""

    def __init__(self, proxy: str, authorities: str) -> None:
        self._proxy, self._authorities = proxy, authorities

    def proxy_search(self, _url: str) -> ProxySearch:
        return ProxySearch(lambda: (self._proxy,))

    def trusted_authorities(self) -> str:
        return self._authorities


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def front(authority: Authority) -> Iterator[RunningPart]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with RunningPart("front", "--to", server.server_port, "--certificate", authority.certify(NAME)) as part:
            yield part
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def proxy(running: ExitStack, front: RunningPart, request: pytest.FixtureRequest) -> RunningPart:
    asks = {**ASKS, **BY_BASIC}[getattr(request, "param", "digest")]
    return running.enter_context(RunningPart("proxy", "--to", front.port, "--login", r"CORP\me:right", *asks))


def transport_through(proxy: RunningPart, authority: Authority, login: str = "CORP%5Cme:right@") -> Transport:
    return Transport(f"https://{NAME}", Network(f"http://{login}127.0.0.1:{proxy.port}", authority.pem), "0.1.0")


def received(transport: Transport, path: str, offset: int = 0) -> tuple[int, bytes]:
    with transport.download(path, offset) as stream:
        return stream.start, b"".join(stream.blocks)


def tunnels() -> int:
    return sum(thread.name == "safestats-tunnel" for thread in threading.enumerate())


@pytest.mark.parametrize("proxy", ASKS, indirect=True)
def test_a_large_file_arrives_whole_and_from_any_byte_on(qgis_app, proxy, authority) -> None:
    transport = transport_through(proxy, authority)
    start, whole = received(transport, "/file")
    assert start == 0 and hashlib.sha256(whole).digest() == hashlib.sha256(CONTENT).digest()
    assert received(transport, "/file", 20_000_001) == (20_000_001, CONTENT[20_000_001:])
    # The connection is used again: one is let in.
    assert sum(line.startswith("let in by") for line in proxy.asked) == 1


def test_a_large_body_is_sent(qgis_app, proxy, authority, tmp_path: Path) -> None:
    body = {"x": "y" * 5_000_000}
    assert transport_through(proxy, authority).post_json("/x", body)["bytes"] > 5_000_000


def test_what_came_before_the_server_hung_up_has_arrived_and_the_rest_can_be_asked_for(
    qgis_app, proxy, authority
) -> None:
    transport = transport_through(proxy, authority)
    part = received(transport, "/cut")[1]
    assert len(part) == len(CONTENT) // 2
    assert part + received(transport, "/file", len(part))[1] == CONTENT


def test_cancelling_ends_it_within_a_second_and_the_tunnel_with_it(qgis_app, proxy, authority) -> None:
    before, cancelled = tunnels(), threading.Event()
    transport = transport_through(proxy, authority)
    with pytest.raises(Cancelled), transport.download("/slow", 0, cancelled.is_set) as stream:
        for _block in stream.blocks:
            asked = time.monotonic()
            cancelled.set()
    assert time.monotonic() - asked < 1
    until = time.monotonic() + 5
    while tunnels() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert tunnels() == before


@pytest.mark.parametrize("proxy", ASKS, indirect=True)
def test_a_wrong_password_is_offered_once(qgis_app, proxy, authority) -> None:
    """Three times wrong locks an account in many a directory."""
    with pytest.raises(ProxyTrouble, match="it refuses the user name and password") as caught:
        transport_through(proxy, authority, "CORP%5Cme:wrong@").get_json("/x")
    assert caught.value.code == "proxy-password"
    assert len(proxy.asked) < 12  # it is not asked again and again
    assert IN_CLEAR not in proxy.asked


@pytest.mark.parametrize("proxy", BY_BASIC, indirect=True)
def test_basic_is_for_proxies_that_offer_nothing_better_and_is_remembered(qgis_app, proxy, authority) -> None:
    transport = transport_through(proxy, authority, "CORP%5Cme:wrong@")
    for offered in (1, 2):  # once for each request, after a question without it: it may want something else by now
        with pytest.raises(ProxyTrouble, match="it refuses the user name and password"):
            transport.get_json("/x")
        assert proxy.asked.count(IN_CLEAR) == offered
        assert proxy.asked[-1] == IN_CLEAR and len(proxy.asked) == 4 * offered
    assert not proxy.asked[0].startswith(IN_CLEAR)


def test_a_proxy_that_offers_basic_is_asked_without_a_password_once_in_a_session(qgis_app, front, authority) -> None:
    with RunningPart("proxy", "--to", front.port, "--login", "me:right") as proxy:
        transport = transport_through(proxy, authority, "me:right@")
        for _ in range(3):
            received(transport, "/cut")  # after which the server hangs up
    connects = [line for line in proxy.asked if line != IN_CLEAR]
    assert (len(connects), proxy.asked.count(IN_CLEAR)) == (5, 3)


def test_several_at_once_each_have_their_own_way(qgis_app, proxy, authority) -> None:
    transport, arrived = transport_through(proxy, authority), []

    def one() -> None:
        arrived.append(received(transport, "/file", len(CONTENT) - 1_000_000)[1])

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert arrived == [CONTENT[-1_000_000:]] * 4


LEAVING = """
import sys
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTimer
application = QgsApplication([], False)
application.initQgis()
from safestats.qgis_plugin.core.proxy_tunnel import open_tunnel
held = [open_tunnel(sys.argv[1], "safestats.test", 443, ("Digest",), 10) for _ in range(3)]
if sys.argv[2] == "window":
    QTimer.singleShot(0, application.quit)
    application.exec()
application.exitQgis()
print(len(held), "open to the end")
"""


@pytest.mark.parametrize("kind", ["window", "command"])
def test_qgis_ends_in_peace_while_ways_are_open(proxy, kind: str) -> None:
    command = [sys.executable, "-c", LEAVING, rf"http://CORP%5Cme:right@127.0.0.1:{proxy.port}", kind]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "3 open to the end"), done.stderr
