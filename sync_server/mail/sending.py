"""Mails: by SMTP over TLS where a host is set, else as files that a developer opens."""

from __future__ import annotations

import secrets
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol

from ..errors import SafeStatsError
from ..instants import now
from ..settings import Settings

_TIMEOUT_SECONDS = 20


class Mailer(Protocol):
    """Whatever takes a mail to its reader; ``whereabouts`` ends a sentence on a mail that was sent ("The letter …")."""

    whereabouts: str

    def send(self, to: str, subject: str, text: str) -> None:
        """Raises ``SafeStatsError`` where the mail could not be handed over."""


class SmtpMailer:
    """Hands mails to the organisation's mail server, never unencrypted."""

    whereabouts = "is on its way"

    def __init__(self, settings: Settings, context: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._context = context or ssl.create_default_context()

    def send(self, to: str, subject: str, text: str) -> None:
        """Hand the mail over; the password is only sent over TLS."""
        settings = self._settings
        try:
            with self._connect() as server:
                if settings.smtp_user:
                    server.login(settings.smtp_user, settings.smtp_password)
                server.send_message(_message(settings.mail_sender, to, subject, text))
        except (smtplib.SMTPException, OSError) as error:
            # Not the error's own words: they may hold the reader's address.
            raise SafeStatsError(
                f"The mail server {settings.smtp_host} did not take the mail ({type(error).__name__}): look at its log "
                "and at the SAFESTATS_SMTP settings."
            ) from error

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_SECONDS, context=self._context
            )
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_SECONDS)
        try:
            server.starttls(context=self._context)
        except BaseException:
            server.close()
            raise
        return server


class FolderMailer:
    """Writes each mail into a folder, as a file that mail programs open and people read."""

    whereabouts = "lies on the server, in its folder “outbox”, for it has no mail server: its operator hands it over"

    def __init__(self, folder: Path, sender: str) -> None:
        self.folder = folder
        self._sender = sender

    def send(self, to: str, subject: str, text: str) -> None:
        """Write the mail; only the server's own account reads it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{now():%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.eml"
        path.touch(mode=0o600)
        path.write_bytes(_message(self._sender, to, subject, text, for_eyes=True).as_bytes())


def mailer_of(settings: Settings) -> Mailer:
    """The way of mails that the settings name."""
    if settings.smtp_host:
        return SmtpMailer(settings)
    return FolderMailer(settings.outbox_dir, settings.mail_sender)


def _message(sender: str, to: str, subject: str, text: str, *, for_eyes: bool = False) -> EmailMessage:
    """``for_eyes``: its text stands in it as it is, to be read and copied without a mail program."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    # No out-of-office notes.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="8bit" if for_eyes else None)
    return message
