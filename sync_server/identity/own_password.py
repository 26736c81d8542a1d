"""Changing one's own password by the present one."""

from __future__ import annotations

from ..audit.log import EventType
from ..database import PERSONS_PATIENCE_MS
from ..problems import Problem
from ..services import Services
from .links import tell_of_changed_password
from .models import User
from .service import about_user, set_password_hash
from .signing_in import try_password, works_from
from .strength import WeakPasswordError


def change_own_password(services: Services, user_id: str, address: str, present: str, password: str) -> None:
    """Set a person's password, which ends all their sessions: whoever asks signs in anew.

    Raises ``Problem``: ``wrong-password`` and ``too-many-tries``, counted as tries to sign in, or ``password-weak``.
    """
    with services.database.read() as session:
        user = session.get_one(User, user_id)
        known_here = works_from(session, user.id, address)
    wrong = Problem(401, "wrong-password", "Not your password", "This is not your present password.")
    if user.sso_only:
        raise wrong  # it has none
    try_password(services, user, user.username, present, address, known_here, wrong)
    try:
        password_hash = services.passwords.hash(password, about_user(user))
    except WeakPasswordError as error:
        raise Problem(422, "password-weak", "Password too weak", str(error)) from error
    with services.database.write(patience_ms=PERSONS_PATIENCE_MS) as session:
        held = session.get_one(User, user_id)
        if held.password_hash != user.password_hash:
            raise wrong  # changed meanwhile, by a link say
        services.audit.record(EventType.USER_PASSWORD_CHANGED, actor=held.id, organisation=held.organisation.code)
        set_password_hash(session, held, password_hash)
    tell_of_changed_password(services, user)
