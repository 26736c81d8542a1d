"""Mails: over TLS or not at all, else into files that only the server reads."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from safestats.sync_server.errors import SafeStatsError
from safestats.sync_server.mail.sending import FolderMailer, SmtpMailer, mailer_of
from safestats.sync_server.settings import Settings

pytestmark = pytest.mark.engineless

TEXT = "Grüße,\nyour link: https://safestats.example/console/link/" + "x" * 120


class MailServer:
    """Speaks enough SMTP for one mail after the other; keeps what it was told."""

    def __init__(self, folder: Path, starttls: bool = True) -> None:
        self.starttls = starttls
        self.mails: list[bytes] = []
        self.lines: list[tuple[bool, str]] = []  # encrypted, the command
        certificate, key = _certificate(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.trusting = ssl.create_default_context(cafile=str(certificate))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._speak(connection)
            except OSError:
                pass
            finally:
                connection.close()

    def _speak(self, connection: socket.socket) -> None:
        encrypted = False
        connection.sendall(b"220 here\r\n")
        stream = connection.makefile("rb")
        while line := stream.readline().decode().strip():
            self.lines.append((encrypted, line))
            command = line.split()[0].upper()
            if command == "EHLO":
                offer = "250-STARTTLS\r\n" if self.starttls and not encrypted else ""
                connection.sendall(f"250-here\r\n{offer}250 AUTH PLAIN\r\n".encode())
            elif command == "STARTTLS":
                if not self.starttls:
                    connection.sendall(b"502 no\r\n")
                    continue
                connection.sendall(b"220 go\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
                stream, encrypted = connection.makefile("rb"), True
            elif command == "DATA":
                connection.sendall(b"354 go on\r\n")
                body = b""
                while (part := stream.readline()) != b".\r\n":
                    body += part
                self.mails.append(body)
                connection.sendall(b"250 taken\r\n")
            elif command == "AUTH":
                connection.sendall(b"235 welcome\r\n")
            elif command == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250 fine\r\n")


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    at = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - datetime.timedelta(days=1))
        .not_valid_after(at + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "mail.pem", folder / "mail.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[MailServer]:
    with closing(MailServer(tmp_path)) as running:
        yield running


def settings(tmp_path: Path, port: int) -> Settings:
    return Settings(
        data_dir=tmp_path / "server",
        smtp_host="localhost",
        smtp_port=port,
        smtp_user="safestats",
        smtp_password="a secret",
        mail_sender="SafeStats <no-reply@safestats.example>",
    )


def test_a_mail_goes_over_tls_and_so_does_the_password(mail_server: MailServer, tmp_path: Path) -> None:
    mailer = SmtpMailer(settings(tmp_path, mail_server.port), mail_server.trusting)
    mailer.send("nina@camden.gov.uk", "Your account", TEXT)
    message = message_from_bytes(mail_server.mails[0], policy=policy.default)
    assert message["To"] == "nina@camden.gov.uk" and message["From"] == "SafeStats <no-reply@safestats.example>"
    assert message.get_content().splitlines() == TEXT.splitlines()
    in_the_open = [line.split()[0].upper() for encrypted, line in mail_server.lines if not encrypted]
    assert in_the_open == ["EHLO", "STARTTLS"]
    assert any(line.upper().startswith("AUTH") for encrypted, line in mail_server.lines if encrypted)


def test_without_tls_nothing_is_sent(mail_server: MailServer, tmp_path: Path) -> None:
    mail_server.starttls = False
    mailer = SmtpMailer(settings(tmp_path, mail_server.port), mail_server.trusting)
    with pytest.raises(SafeStatsError, match="did not take the mail"):
        mailer.send("nina@camden.gov.uk", "Your account", TEXT)
    assert mail_server.mails == [] and not any("AUTH" in line.upper() for _, line in mail_server.lines)


def test_a_server_that_nobody_vouches_for_gets_nothing(mail_server: MailServer, tmp_path: Path) -> None:
    mailer = SmtpMailer(settings(tmp_path, mail_server.port))
    with pytest.raises(SafeStatsError) as refused:
        mailer.send("nina@camden.gov.uk", "Your account", TEXT)
    assert "nina" not in str(refused.value) and mail_server.mails == []


def test_a_server_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with pytest.raises(SafeStatsError, match="SAFESTATS_SMTP"):
        SmtpMailer(settings(tmp_path, port)).send("nina@camden.gov.uk", "Your account", TEXT)


def test_where_no_server_is_set_mails_are_files_of_the_servers_own(tmp_path: Path) -> None:
    mailer = mailer_of(Settings(data_dir=tmp_path))
    assert isinstance(mailer, FolderMailer)
    mailer.send("nina@camden.gov.uk", "Your account", TEXT)
    mailer.send("nina@camden.gov.uk", "Your account", TEXT)
    paths = list(mailer.folder.iterdir())
    assert len(paths) == 2 and {stat.S_IMODE(p.stat().st_mode) for p in paths} == {0o600}
    assert stat.S_IMODE(mailer.folder.stat().st_mode) == 0o700
    assert TEXT in paths[0].read_text(encoding="utf-8")  # to be read and copied as it stands
    message = message_from_bytes(paths[0].read_bytes(), policy=policy.default)
    assert message.get_content().splitlines() == TEXT.splitlines()
    assert isinstance(mailer_of(settings(tmp_path, 25)), SmtpMailer)


def test_a_header_cannot_be_smuggled_in(tmp_path: Path) -> None:
    mailer = FolderMailer(tmp_path / "outbox", "SafeStats <safestats@localhost>")
    with pytest.raises(ValueError):
        mailer.send("nina@camden.gov.uk\r\nBcc: all@example.org", "Your account", TEXT)


def test_the_password_is_not_in_what_settings_print(tmp_path: Path) -> None:
    assert "a secret" not in repr(settings(tmp_path, 25))
