"""Trouble at the desk, each kind in its own words: what is wrong, where, and what to do."""

# ruff: noqa: N818 - the names say what happened, as the contract between the parts has them

from __future__ import annotations

from typing import Any

from ...shared.problems import ProblemDocument


class DeskError(Exception):
    """Trouble that a person can act on. ``sentence`` is shown as it is; ``code`` is stable, for programs."""

    code = "trouble"

    def __init__(self, sentence: str, code: str = "", **extra: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code or type(self).code
        self.extra = extra


class ServerUnreachable(DeskError):
    """Nothing answers at the server's address."""

    code = "server-unreachable"


class AddressTrouble(DeskError):
    """The server's address cannot be used."""

    code = "address"


class ProxyTrouble(DeskError):
    """The network's proxy stands in the way."""

    code = "proxy"


class CertificateTrouble(DeskError):
    """The server's certificate is not trusted."""

    code = "certificate"


class SignInRefused(DeskError):
    """User name, password or code wrong, account inactive, or too many tries."""

    code = "wrong-password"


class SessionEnded(DeskError):
    """The session is over, or there never was one."""

    code = "session-ended"


class ConditionsNotAccepted(DeskError):
    """The conditions of use stand between this session and the data."""

    code = "conditions-not-accepted"


class PurposeHeld(DeskError):
    """The purpose in the person's own words waits for the SafeStats team's approval."""

    code = "purpose-held"


class AgreementRefused(DeskError):
    """The Data Sharing Agreement, or the person's role, does not permit it; the sentence is the server's reason."""

    code = "no-agreement"


class ServerTrouble(DeskError):
    """The server answered, but could not do what was asked."""

    code = "server-trouble"


class PluginTooOld(DeskError):
    """The server speaks a newer language than this plugin."""

    code = "plugin-too-old"


class WrongDigest(DeskError):
    """What arrived is not what the server published."""

    code = "wrong-digest"


class LocalCopyTrouble(DeskError):
    """The local copy is missing, lapsed, busy or cannot be written."""

    code = "local-copy"


class Cancelled(DeskError):
    """The user stopped it."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("Cancelled: nothing was changed.")


_KINDS: dict[str, type[DeskError]] = {
    "wrong-password": SignInRefused,
    "account-inactive": SignInRefused,
    "too-many-tries": SignInRefused,
    "wrong-code": SignInRefused,
    "code-used": SignInRefused,
    "not-signed-in": SessionEnded,
    "session-ended": SessionEnded,
    "conditions-not-accepted": ConditionsNotAccepted,
    "conditions-changed": ConditionsNotAccepted,
    "purpose-refused": ConditionsNotAccepted,
    "purpose-missing": ConditionsNotAccepted,
    "purpose-held": PurposeHeld,
    "no-agreement": AgreementRefused,
    "agreement-not-started": AgreementRefused,
    "agreement-ended": AgreementRefused,
    "agreement-suspended": AgreementRefused,
    "not-published": AgreementRefused,
    "use-not-granted": AgreementRefused,
    "aggregates-only": AgreementRefused,
    "purpose-not-agreed": AgreementRefused,
    "role-without-data": AgreementRefused,
    "role-not-permitted": AgreementRefused,
    "client-too-old": PluginTooOld,
}
# A supplier's terms, whichever of them it is.
_TERMS = "terms-"
# Where the server names the member of a request that it could not read: a program's words, not a person's.
_NOT_UNDERSTOOD = (
    "The server could not make sense of what was entered: something is too long, empty or holds signs that it cannot "
    "have. Correct it, then try again; if it stays, update the plugin."
)


def from_problem(problem: ProblemDocument) -> DeskError:
    """The error that a problem document of the server stands for; its sentence is the server's.

    Of a request that was not understood the server's own words are in ``extra["why"]``.
    """
    kind = AgreementRefused if problem.code.startswith(_TERMS) else _KINDS.get(problem.code, ServerTrouble)
    if problem.code == "invalid-request":
        return kind(_NOT_UNDERSTOOD, problem.code, **{**problem.extra, "why": problem.detail})
    return kind(problem.detail, problem.code, **problem.extra)
