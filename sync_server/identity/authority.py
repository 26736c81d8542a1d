"""Whether an actor may do what it asks for, looked up when it is done: the services behind every page and route."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..audit.log import COMMAND_LINE
from .models import Role, User
from .permissions import INVITABLE, Permission, not_permitted, permitted, sees_all


def authorise(session: Session, actor: str, permission: Permission, organisation_id: int | None = None) -> User | None:
    """The actor's account (None: the command line); raises ``Problem`` 403 unless it has the permission.

    Where it is for something of one organisation, those who see only their own are refused the others'.
    """
    if actor == COMMAND_LINE:
        return None
    user = session.get(User, actor)
    if user is None or not user.active or permission not in permitted(Role(user.role)):
        raise not_permitted()
    if organisation_id is not None and not sees_all(Role(user.role)) and user.organisation_id != organisation_id:
        raise not_permitted()
    return user


def authorise_for(session: Session, actor: str, permission: Permission, person: User, role: Role | None = None) -> None:
    """As ``authorise``, to do something with a person's account, or to give it a role.

    An organisation's administrator has no say over the accounts and roles of the SafeStats team and of suppliers.
    """
    user = authorise(session, actor, permission, person.organisation_id)
    if user is None or sees_all(Role(user.role)):
        return
    if Role(person.role) not in INVITABLE or (role is not None and role not in INVITABLE):
        raise not_permitted()
