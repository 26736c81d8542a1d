"""Real certificates of a real authority, a real proxy, and QGIS's own settings for both."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsAuthCertUtils, QgsAuthConfigSslServer, QgsNetworkAccessManager
from qgis.PyQt.QtNetwork import QNetworkProxy, QSslCertificate, QSslError
from safestats.qgis_plugin.core.errors import CertificateTrouble, DeskError, ProxyTrouble, ServerUnreachable
from safestats.qgis_plugin.core.network import ProxySearch, QgisNetwork
from safestats.qgis_plugin.core.transport import Transport
from safestats.tests.certificates import Authority

NAME = "safestats.test"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"answer": 42}'


class Network:
    """A proxy and authorities as a test has them."""

    def __init__(self, authorities: str = "", proxy: str = "") -> None:
        self._authorities, self._proxy = authorities, proxy

    def proxy_search(self, _url: str) -> ProxySearch:
        return ProxySearch(lambda: (self._proxy,))

    def trusted_authorities(self) -> str:
        return self._authorities


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@dataclass
class Servers:
    """Servers of bare sockets; each connection is served in a thread."""

    sockets: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, serve: Callable[[socket.socket], None]) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        self.sockets.append(listening)

        def one(connection: socket.socket) -> None:
            try:
                with connection:
                    serve(connection)
            except OSError:
                pass

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        self.threads.append(thread)
        return listening.getsockname()[1]

    def stop(self) -> None:
        for listening in self.sockets:
            listening.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for listening in self.sockets:
            listening.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


def read_head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        block = connection.recv(4096)
        if not block:
            raise OSError("gone")
        received += block
    return received


def tls_server(servers: Servers, certificate: Path, oldest: ssl.TLSVersion | None = None) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if oldest is not None:
        context.maximum_version = oldest

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            read_head(wrapped)
            wrapped.sendall(ANSWER)

    return servers.start(serve)


class Proxy:
    """A proxy that really forwards: CONNECT to any name leads to ``target``. ``asked`` notes what it was asked."""

    def __init__(self, servers: Servers, target: int, login: str = "") -> None:
        self.asked: list[str] = []
        self._target = target
        self._login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        self.port = servers.start(self._serve)

    def _serve(self, connection: socket.socket) -> None:
        head = read_head(connection).decode()
        self.asked.append(head.splitlines()[0])
        if self._login and self._login not in head:
            connection.sendall(b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            onward = socket.create_connection(("127.0.0.1", self._target), 5)
        except OSError:
            connection.sendall(b"HTTP/1.1 502 Bad gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with onward:
            connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
            ends = {connection: onward, onward: connection}
            while True:
                for one in select.select(list(ends), [], [], 10)[0]:
                    block = one.recv(65536)
                    if not block:
                        return
                    ends[one].sendall(block)


def refused(port: int, authorities: str) -> CertificateTrouble:
    with pytest.raises(CertificateTrouble) as caught:
        Transport(f"https://127.0.0.1:{port}", Network(authorities), "0.1.0").get_json("/")
    return caught.value


# ---------------------------------------------------------------- certificates


def test_a_certificate_of_a_trusted_authority_is_accepted(servers: Servers, authority: Authority) -> None:
    port = tls_server(servers, authority.certify(NAME))
    assert Transport(f"https://127.0.0.1:{port}", Network(authority.pem), "0.1.0").get_json("/") == {"answer": 42}


@pytest.mark.parametrize(
    ("begin", "end", "code", "words"),
    [
        ("20200101000000Z", "20210101000000Z", "certificate-expired", "it has expired"),
        ("20490101000000Z", "20500101000000Z", "certificate-not-yet-valid", "clock of this computer"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(
    servers: Servers, authority: Authority, begin: str, end: str, code: str, words: str
) -> None:
    trouble = refused(tls_server(servers, authority.certify(NAME, begin, end)), authority.pem)
    assert trouble.code == code and words in trouble.sentence and "Nothing was sent" in trouble.sentence


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(
    servers: Servers, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    trouble = refused(tls_server(servers, stranger.certify(NAME)), authority.pem)
    assert trouble.code == "certificate-authority" and "who issued it" in trouble.sentence


def test_a_certificate_of_another_name_is_refused(servers: Servers, authority: Authority) -> None:
    proxy = Proxy(servers, tls_server(servers, authority.certify("elsewhere.test")))
    network = Network(authority.pem, f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(CertificateTrouble, match="another name") as caught:
        Transport(f"https://{NAME}", network, "0.1.0").get_json("/")
    assert caught.value.code == "certificate-name"


def test_a_port_without_tls_is_told_from_a_wrong_certificate(servers: Servers, authority: Authority) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad request\r\nContent-Length: 0\r\n\r\n")

    assert refused(servers.start(serve), authority.pem).code == "not-https"


def test_an_encryption_that_is_too_old_is_told(servers: Servers, authority: Authority) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(bytes.fromhex("15030100020246"))  # the alert “protocol version”

    assert refused(servers.start(serve), authority.pem).code == "tls"


def test_plain_http_to_a_tls_port_is_told(servers: Servers, authority: Authority) -> None:
    port = tls_server(servers, authority.certify(NAME))
    with pytest.raises(DeskError) as caught:
        Transport(f"http://127.0.0.1:{port}", Network(), "0.1.0").get_json("/")
    assert caught.value.code in ("not-http", "connection-cut")


def test_authorities_that_cannot_be_read_are_told() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(CertificateTrouble) as caught:
        Transport("https://127.0.0.1", Network(broken), "0.1.0")
    assert caught.value.code == "authorities-unreadable"


def test_an_authority_added_in_qgis_is_trusted(qgis_app, servers: Servers, authority: Authority) -> None:
    port = tls_server(servers, authority.certify(NAME))
    address = f"https://127.0.0.1:{port}"
    with pytest.raises(CertificateTrouble):
        Transport(address, QgisNetwork(), "0.1.0").get_json("/")
    manager = QgsApplication.authManager()
    if manager.isDisabled():
        pytest.skip(f"QGIS's authentication system is off here: {manager.disabledMessage()}")
    (certificate,) = QSslCertificate.fromData(authority.pem.encode())
    assert manager.storeCertAuthority(certificate)
    assert manager.storeCertTrustPolicy(certificate, QgsAuthCertUtils.Trusted)
    manager.rebuildCaCertsCache()
    manager.rebuildTrustedCaCertsCache()
    try:
        assert Transport(address, QgisNetwork(), "0.1.0").get_json("/") == {"answer": 42}
    finally:
        manager.removeCertAuthority(certificate)
        manager.removeCertTrustPolicy(certificate)
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()


def test_an_exception_saved_in_qgis_does_not_count(qgis_app, servers: Servers, authority: Authority) -> None:
    """Somebody has clicked the warning away: for map services of QGIS's own, not for records of victims."""
    certificate = authority.certify(NAME)
    port = tls_server(servers, certificate)
    manager = QgsApplication.authManager()
    if manager.isDisabled():
        pytest.skip(f"QGIS's authentication system is off here: {manager.disabledMessage()}")
    (saved,) = QSslCertificate.fromPath(str(certificate))
    exception = QgsAuthConfigSslServer()
    exception.setSslHostPort(f"127.0.0.1:{port}")
    exception.setSslCertificate(saved)
    exception.setSslIgnoredErrorEnums([QSslError.SslError.UnableToGetLocalIssuerCertificate])
    assert manager.storeSslCertCustomConfig(exception)
    try:
        with pytest.raises(CertificateTrouble, match="An exception that was saved in QGIS is not used") as caught:
            Transport(f"https://127.0.0.1:{port}", QgisNetwork(), "0.1.0").get_json("/")
    finally:
        digest = QgsAuthCertUtils.shaHexForCert(saved)
        manager.removeSslCertCustomConfig(digest, f"127.0.0.1:{port}")
    assert caught.value.code == "certificate-authority"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_is_told(
    servers: Servers, authority: Authority, newest: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certify(NAME))
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, newest

    def serve(connection: socket.socket) -> None:
        encrypted = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with encrypted:
            try:
                encrypted.do_handshake()
            except ssl.SSLError:
                encrypted.settimeout(2)
                # Let it read why: a socket closed with something unread takes its last words back.
                while socket.socket.recv(encrypted, 4096):
                    pass

    trouble = refused(servers.start(serve), authority.pem)
    assert "client certificate" in trouble.sentence
    # Before TLS 1.3 servers do not say what was wrong.
    assert trouble.code == ("client-certificate" if newest is ssl.TLSVersion.TLSv1_3 else "tls")


# ---------------------------------------------------------------- proxies


@pytest.fixture
def through_qgis(qgis_app) -> Iterator[Callable[..., QgisNetwork]]:
    """Sets the proxy in QGIS; gives a network with QGIS's proxy and the test's authority."""
    manager = QgsNetworkAccessManager.instance()

    def act(port: int, authorities: str, user: str = "", password: str = "") -> QgisNetwork:
        proxy = QNetworkProxy(QNetworkProxy.ProxyType.HttpProxy, "127.0.0.1", port, user, password)
        manager.setFallbackProxyAndExcludes(proxy, [], [])
        network = QgisNetwork()
        network.trusted_authorities = lambda: authorities
        return network

    yield act
    manager.setFallbackProxyAndExcludes(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy), [], [])


def test_requests_go_through_the_proxy_of_qgis(servers: Servers, authority: Authority, through_qgis) -> None:
    proxy = Proxy(servers, tls_server(servers, authority.certify(NAME)), login="me:p@ss word")
    network = through_qgis(proxy.port, authority.pem, "me", "p@ss word")
    assert Transport(f"https://{NAME}", network, "0.1.0").get_json("/") == {"answer": 42}
    assert set(proxy.asked) <= {f"CONNECT {NAME}:443 HTTP/1.{n}" for n in (0, 1)}


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_proxy_that_wants_another_password_is_told(
    servers: Servers, authority: Authority, through_qgis, password: str
) -> None:
    proxy = Proxy(servers, tls_server(servers, authority.certify(NAME)), login="me:right")
    network = through_qgis(proxy.port, authority.pem, "me" if password else "", password)
    with pytest.raises(ProxyTrouble) as caught:
        Transport(f"https://{NAME}", network, "0.1.0").get_json("/")
    assert caught.value.code == "proxy-password" and "Settings → Options → Network" in caught.value.sentence


def nothing_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        ("http://127.0.0.1:{nothing}", "proxy-down"),
        ("http://proxy.invalid:3128", "proxy-unknown"),
        ("http://127.0.0.1:{forwarding}", "proxy-no-way"),
    ],
)
def test_each_trouble_with_a_proxy_has_its_own_words(servers: Servers, proxy: str, code: str) -> None:
    address = proxy.format(nothing=nothing_listens(), forwarding=Proxy(servers, nothing_listens()).port)
    with pytest.raises(ProxyTrouble) as caught:
        Transport(f"https://{NAME}", Network(proxy=address), "0.1.0").get_json("/")
    assert caught.value.code == code


def test_a_proxy_that_hangs_up_is_told(servers: Servers) -> None:
    port = servers.start(lambda connection: read_head(connection) and None)
    with pytest.raises((ProxyTrouble, ServerUnreachable)):
        Transport(f"https://{NAME}", Network(proxy=f"http://127.0.0.1:{port}"), "0.1.0").get_json("/")
