"""Pulls through the networks that organisations have: proxies as processes, certificates, QGIS's own settings."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pacparser
import pytest
from qgis.core import QgsApplication, QgsAuthCertUtils, QgsAuthMethodConfig, QgsNetworkAccessManager, QgsSettings
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyFactory, QNetworkProxyQuery, QSslCertificate
from safestats.qgis_plugin.core import proxy_ways
from safestats.qgis_plugin.core.desk import Desk
from safestats.qgis_plugin.core.errors import CertificateTrouble, DeskError, ProxyTrouble, ServerUnreachable
from safestats.qgis_plugin.core.pull import PullResult
from safestats.tests.certificates import Authority
from safestats.tests.network_part import RunningPart

NAME = "safestats.test"
ADDRESS = f"https://{NAME}"
WAIT_MS = 120_000
IN_CLEAR = "a password in clear"  # how a proxy of the tests notes Basic


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that has signed the server's certificate."""
    return Authority(tmp_path_factory.mktemp("public"), "Public authority")


@pytest.fixture(scope="module")
def organisations(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of an organisation whose proxy looks into connections."""
    return Authority(tmp_path_factory.mktemp("organisation"), "Authority of the organisation")


@pytest.fixture
def parts() -> Iterator[Callable[..., RunningPart]]:
    """Starts parts of the network, and ends them."""
    with ExitStack() as running:
        yield lambda *arguments: running.enter_context(RunningPart(*arguments))


@pytest.fixture
def front(parts, live_server, public: Authority) -> RunningPart:
    """The server, by HTTPS; the name in its certificate exists in no network, so only a proxy leads there."""
    return parts("front", "--to", urlsplit(live_server.url).port, "--certificate", public.certify(NAME))


@pytest.fixture
def trust(qgis_app) -> Iterator[Callable[[Authority], None]]:
    """Adds an authority to those that QGIS trusts, as its options do; nothing else on this machine knows it."""
    manager, added = QgsApplication.authManager(), []
    if manager.isDisabled():
        pytest.skip(f"QGIS's authentication system is off here: {manager.disabledMessage()}")

    def rebuild() -> None:
        manager.rebuildCaCertsCache()
        manager.rebuildTrustedCaCertsCache()

    def act(authority: Authority) -> None:
        (certificate,) = QSslCertificate.fromData(authority.pem.encode())
        assert manager.storeCertAuthority(certificate)
        assert manager.storeCertTrustPolicy(certificate, QgsAuthCertUtils.Trusted)
        added.append(certificate)
        rebuild()

    yield act
    for certificate in added:
        manager.removeCertAuthority(certificate)
        manager.removeCertTrustPolicy(certificate)
    rebuild()


@pytest.fixture
def options(qgis_app) -> Iterator[Callable[..., None]]:
    """Sets the network page of QGIS's options: ``options(proxyHost=…, proxyPort=…)``."""
    manager, set_ = QgsNetworkAccessManager.instance(), ["proxyEnabled"]

    def act(**values: object) -> None:
        settings = QgsSettings()
        for name, value in {"proxyEnabled": True, **values}.items():
            settings.setValue(f"proxy/{name}", value)
            set_.append(name)
        manager.setupDefaultProxyAndCache()

    yield act
    for name in set_:
        QgsSettings().remove(f"proxy/{name}")
    QNetworkProxyFactory.setUseSystemConfiguration(False)
    manager.setupDefaultProxyAndCache()


@pytest.fixture
def try_to_sign_in(desk: Desk, live_server, qtbot) -> Callable[[], Any]:
    """What the first step of a sign-in comes to: a session, or the trouble."""

    def act() -> Any:
        ended: list[Any] = []
        desk.steps.sign_in(ADDRESS, "ada", live_server.password, ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        return ended[0]

    return act


@pytest.fixture
def pull(desk: Desk, sign_in, qtbot) -> Callable[[], PullResult]:
    """Signs in by the address that only a proxy knows, and pulls."""

    def act() -> PullResult:
        sign_in(ADDRESS, "ada")
        ended: list[Any] = []
        desk.pull("colp", "colp", ended.append, ended.append)
        qtbot.waitUntil(lambda: bool(ended), timeout=WAIT_MS)
        assert not isinstance(ended[0], DeskError), ended[0]
        return ended[0]

    return act


class ComputersPac(QNetworkProxyFactory):
    """The computer's own proxy settings with a PAC file, as Windows and macOS have them.

    Qt evaluates such files by these systems' own means; on Linux it has none, and QGIS neither. So here a PAC file is
    fetched from a real server and evaluated by a real evaluator, in the place where Windows would be asked.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        super().__init__()
        self._address, self._patience_s = address, patience_s
        self.threads: set[str] = set()

    def queryProxy(self, query: QNetworkProxyQuery) -> list[QNetworkProxy]:
        self.threads.add(threading.current_thread().name)
        direct = [QNetworkProxy(QNetworkProxy.ProxyType.NoProxy)]
        plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with plain.open(self._address, timeout=self._patience_s) as answer:
                script = answer.read().decode()
        except OSError:
            return direct  # as Windows does, after a while
        pacparser.init()
        try:
            pacparser.parse_pac_string(script)
            found = pacparser.find_proxy(query.url().toString(), query.url().host())
        finally:
            pacparser.cleanup()
        proxies = []
        for one in found.split(";"):
            kind, _, address = one.strip().partition(" ")
            host, _, port = address.partition(":")
            http = QNetworkProxy.ProxyType.HttpProxy
            proxies += [QNetworkProxy(http, host, int(port))] if kind == "PROXY" else direct
        return proxies


@pytest.fixture
def computer(qgis_app) -> Iterator[Callable[..., ComputersPac]]:
    """Gives this computer a PAC file."""
    manager, inserted = QgsNetworkAccessManager.instance(), []

    def act(pac: RunningPart, patience_s: float = 5.0) -> ComputersPac:
        inserted.append(ComputersPac(f"http://127.0.0.1:{pac.port}/proxy.pac", patience_s))
        manager.insertProxyFactory(inserted[-1])
        return inserted[-1]

    yield act
    for factory in inserted:
        manager.removeProxyFactory(factory)


# ---------------------------------------------------------------- a proxy with a password


def test_a_pull_succeeds_through_a_proxy_that_wants_a_password(parts, front, public, trust, options, pull) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", "me:p@ss word")
    options(
        proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, proxyUser="me", proxyPassword="p@ss word"
    )
    copy = pull().copy
    assert copy.path.is_file() and copy.manifest.rows > 0
    assert set(proxy.asked) - {IN_CLEAR} <= {f"CONNECT {NAME}:443 HTTP/1.{n}" for n in (0, 1)}
    # It was asked first without the password.
    assert proxy.asked.index(IN_CLEAR) > 1


def test_the_password_may_lie_in_qgis_s_authentication_store(parts, front, public, trust, options, pull) -> None:
    trust(public)
    manager = QgsApplication.authManager()
    if not manager.setMasterPassword("a master password", True):
        pytest.skip("QGIS's authentication store has another master password here")
    login = QgsAuthMethodConfig("Basic")
    login.setName("Our proxy")
    login.setConfig("username", "me")
    login.setConfig("password", "right")
    assert manager.storeAuthenticationConfig(login)[0]
    proxy = parts("proxy", "--to", front.port, "--login", "me:right")
    try:
        options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, authcfg=login.id())
        assert pull().copy.manifest.rows > 0 and proxy.asked
    finally:
        manager.removeAuthenticationConfig(login.id())


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"proxyUser": "me", "proxyPassword": "wrong"}, "it refuses the user name and password that QGIS has for it"),
        ({}, "it asks for a user name and password, and QGIS has none for it. Enter them in"),
    ],
    ids=["wrong", "none"],
)
def test_a_wrong_or_missing_password_of_the_proxy_is_told(
    parts, front, public, trust, options, try_to_sign_in, login, words
) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", "me:right")
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, **login)
    trouble = try_to_sign_in()
    assert isinstance(trouble, ProxyTrouble) and trouble.code == "proxy-password"
    assert words in trouble.sentence and "Settings → Options → Network" in trouble.sentence


# ---------------------------------------------------------------- a proxy that asks for more than Basic


@pytest.mark.parametrize(
    ("asks", "user"),
    [
        (("--digest", "MD5"), "me"),
        (("--digest", "MD5", "--hang-up"), "me"),
        (("--digest", "SHA-256,MD5"), "me"),
        (("--ntlm",), "CORP\\me"),
        (("--ntlm", "--also-basic"), "CORP\\me"),
        (("--digest", "MD5", "--also-basic", "--hang-up"), "me"),
    ],
)
def test_a_pull_succeeds_through_a_proxy_that_asks_for_more_than_basic(
    parts, front, public, trust, options, pull, asks: tuple[str, ...], user: str
) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", f"{user}:p@ss word", *asks)
    options(
        proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, proxyUser=user, proxyPassword="p@ss word"
    )
    copy = pull().copy
    assert copy.manifest.rows > 0 and copy.path.is_file()
    assert [line for line in proxy.asked if line.startswith("let in by")]
    assert IN_CLEAR not in proxy.asked


@pytest.mark.parametrize(
    ("asks", "login", "code", "words"),
    [
        (
            ("--digest", "MD5"),
            {"proxyUser": "me", "proxyPassword": "wrong"},
            "proxy-password",
            "it refuses the user name and password that QGIS has for it (it wants Digest MD5)",
        ),
        (
            ("--ntlm",),
            {},
            "proxy-password",
            "it asks for a user name and password, and QGIS has none for it (it wants NTLM)",
        ),
        (
            ("--digest", "SHA-256"),
            {"proxyUser": "me", "proxyPassword": "right"},
            "proxy-scheme",
            "it asks for a kind of sign-in that QGIS does not know (it wants Digest SHA-256)",
        ),
    ],
)
def test_a_proxy_that_lets_nobody_in_is_told_with_what_it_wants(
    parts, front, public, trust, options, try_to_sign_in, asks, login: dict[str, str], code: str, words: str
) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", "me:right", *asks)
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, **login)
    trouble = try_to_sign_in()
    assert isinstance(trouble, ProxyTrouble) and trouble.code == code and words in trouble.sentence
    assert IN_CLEAR not in proxy.asked


def test_the_system_s_proxy_is_used_where_qgis_s_options_say_so(
    parts, front, public, trust, options, pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Linux the system's are environment variables, here with a name and password of their own."""
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", "me:right")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://me:right@127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    options(proxyType="DefaultProxy")
    assert pull().copy.manifest.rows > 0 and proxy.asked


# ---------------------------------------------------------------- a PAC file


def test_a_pull_succeeds_through_a_pac_file(parts, front, public, trust, computer, pull) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port)
    pac = parts("pac", "--proxies", f"PROXY 127.0.0.1:{proxy.port}; DIRECT")
    factory = computer(pac)
    assert pull().copy.manifest.rows > 0
    assert proxy.asked and pac.asked == ["GET /proxy.pac HTTP/1.1"]  # once for a session
    assert factory.threads == {"safestats-proxy"}  # never the window's


def test_the_next_proxy_of_a_pac_file_is_taken_where_the_first_is_down(
    parts, front, public, trust, computer, pull
) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port)
    with RunningPart("proxy", "--to", front.port) as gone:
        down = gone.port
    computer(parts("pac", "--proxies", f"PROXY 127.0.0.1:{down}; PROXY 127.0.0.1:{proxy.port}"))
    assert pull().copy.manifest.rows > 0 and proxy.asked


@pytest.mark.parametrize("asks", [(), ("--digest", "MD5"), ("--ntlm",)], ids=["basic", "digest", "ntlm"])
def test_a_proxy_of_a_pac_file_that_is_that_of_qgis_s_options_gets_their_password(
    parts, front, public, trust, options, computer, pull, asks
) -> None:
    trust(public)
    proxy = parts("proxy", "--to", front.port, "--login", "CORP\\me:right", *asks)
    login = {"proxyUser": "CORP\\me", "proxyPassword": "right"}
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=proxy.port, **login)
    computer(parts("pac", "--proxies", f"PROXY 127.0.0.1:{proxy.port}"))
    assert pull().copy.manifest.rows > 0 and proxy.asked


@pytest.mark.parametrize("asks", [(), ("--digest", "MD5"), ("--ntlm",)], ids=["basic", "digest", "ntlm"])
def test_another_proxy_of_a_pac_file_never_gets_the_password_of_qgis_s_options(
    parts, front, public, trust, options, computer, try_to_sign_in, asks
) -> None:
    """Anybody may have named it who is heard on the line (WPAD)."""
    trust(public)
    own = parts("proxy", "--to", front.port, "--login", "me:right")
    other = parts("proxy", "--to", front.port, "--login", "me:right", *asks)
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=own.port, proxyUser="me", proxyPassword="right")
    computer(parts("pac", "--proxies", f"PROXY 127.0.0.1:{other.port}"))
    trouble = try_to_sign_in()
    assert isinstance(trouble, ProxyTrouble) and trouble.code == "proxy-password"
    assert f"proxy 127.0.0.1:{other.port} stands between" in trouble.sentence
    assert "Enter them in Settings → Options → Network" in trouble.sentence
    # Qt on Linux has nobody to name; on Windows it would name the account that is signed in.
    assert all(line.startswith(("CONNECT", "nobody by NTLM")) for line in other.asked) and not own.asked


@pytest.mark.parametrize("named", ["host and port", "resource", "neither"])
def test_the_system_s_proxy_gets_what_was_entered_for_it_only(
    parts, front, public, trust, options, try_to_sign_in, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    trust(public)
    manager = QgsApplication.authManager()
    proxy = parts("proxy", "--to", front.port, "--login", "me:right")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    entered = {"proxyHost": "127.0.0.1", "proxyPort": proxy.port, "proxyUser": "me", "proxyPassword": "right"}
    login = QgsAuthMethodConfig("Basic")
    if named != "host and port":
        if not manager.setMasterPassword("a master password", True):
            pytest.skip("QGIS's authentication store has another master password here")
        login.setName("Our proxy")
        login.setUri(f"http://127.0.0.1:{proxy.port}" if named == "resource" else "")
        login.setConfig("username", "me")
        login.setConfig("password", "right")
        assert manager.storeAuthenticationConfig(login)[0]
        entered = {"authcfg": login.id()}
    try:
        options(proxyType="DefaultProxy", **entered)
        trouble = try_to_sign_in()
    finally:
        if login.id():
            manager.removeAuthenticationConfig(login.id())
    if named == "neither":
        assert isinstance(trouble, ProxyTrouble) and f"proxy 127.0.0.1:{proxy.port} stands" in trouble.sentence
    assert isinstance(trouble, DeskError) == (named == "neither")
    assert (IN_CLEAR in proxy.asked) == (named != "neither")


def test_a_pac_file_that_never_answers_is_told_and_the_window_goes_on(
    parts, computer, try_to_sign_in, qtbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_ways, "FIND_TIMEOUT_S", 1)
    computer(parts("pac", "--silent"), patience_s=60.0)
    begun = time.monotonic()
    trouble = try_to_sign_in()
    assert isinstance(trouble, ProxyTrouble) and trouble.code == "proxy-search"
    assert trouble.sentence.startswith("This computer could not find out in 1 seconds")
    assert NAME in trouble.sentence and "(PAC) does not answer" in trouble.sentence
    assert time.monotonic() - begun < 30


def test_a_computer_that_gives_up_its_pac_file_is_told_so(
    parts, computer, try_to_sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer(parts("pac", "--silent"), patience_s=0.3)
    trouble = try_to_sign_in()
    assert isinstance(trouble, ServerUnreachable)
    assert "name no proxy for this address" in trouble.sentence and "(PAC)" in trouble.sentence


# ---------------------------------------------------------------- a proxy that looks into connections


@pytest.fixture
def looking(parts, front, public: Authority, organisations: Authority) -> RunningPart:
    """A proxy that decrypts, and encrypts anew with a certificate of the organisation's authority."""
    return parts(
        *("proxy", "--to", front.port, "--certificate", organisations.certify(NAME)),
        *("--authorities", public.folder / "ca.pem"),
    )


def test_a_pull_succeeds_through_a_proxy_that_looks_in_where_qgis_knows_its_authority(
    looking, organisations, trust, options, pull
) -> None:
    trust(organisations)  # and not the one that has signed the server's own
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=looking.port)
    assert pull().copy.manifest.rows > 0 and looking.asked


def test_an_authority_that_qgis_does_not_know_is_told(looking, public, trust, options, try_to_sign_in) -> None:
    trust(public)
    options(proxyType="HttpProxy", proxyHost="127.0.0.1", proxyPort=looking.port)
    trouble = try_to_sign_in()
    assert isinstance(trouble, CertificateTrouble) and trouble.code == "certificate-authority"
    assert "whose proxy looks into encrypted connections" in trouble.sentence
    assert "Settings → Options → Authentication" in trouble.sentence and "Nothing was sent" in trouble.sentence
