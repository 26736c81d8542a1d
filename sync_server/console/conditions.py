"""The conditions of use: their versions, and publishing a new one after looking at it."""

from __future__ import annotations

import hashlib

from fastapi import Response

from ..identity.conditions import all_conditions, current_conditions, difference, publish
from ..identity.permissions import Permission
from .forms import Form, PostedDep
from .routes import console_router
from .signed_in import MemberDep
from .visits import Visit, gone

router = console_router()


@router.get("/conditions-of-use")
def versions(visit: MemberDep) -> Response:
    """All versions."""
    visit.require(Permission.SEE_CONDITIONS)
    with visit.services.database.read() as session:
        return visit.page("conditions_versions.html", versions=all_conditions(session))


# “new” and “preview” are no versions to look at: the addresses of these stand before those of versions.
@router.get("/conditions-of-use/new")
def new_page(visit: MemberDep) -> Response:
    """The form, filled with the text in force."""
    visit.require(Permission.PUBLISH_CONDITIONS)
    with visit.services.database.read() as session:
        text = current_conditions(session).text
    return visit.page("conditions_new.html", form=Form(defaults={"text": text}), preview=False)


@router.post("/conditions-of-use/new")
def back_to_the_text(visit: MemberDep, form: PostedDep) -> Response:
    """The form as it was before the preview."""
    visit.require(Permission.PUBLISH_CONDITIONS)
    return visit.page("conditions_new.html", form=form, preview=False)


@router.post("/conditions-of-use/preview")
def preview(visit: MemberDep, form: PostedDep) -> Response:
    """What would be published, and how it differs from what is in force; nothing is changed."""
    visit.require(Permission.PUBLISH_CONDITIONS)
    version = form.required("version", "Name the new version.")
    form.required("text", "Write the text.")
    with visit.services.database.read() as session:
        if version in {known.version for known in all_conditions(session)}:
            form.errors["version"] = f"Version {version} is published already: name a new one."
    return _preview_page(visit, form)


def _preview_page(visit: Visit, form: Form) -> Response:
    text = form.text("text")
    with visit.services.database.read() as session:
        current = current_conditions(session).text
    changes = [line for line in difference(current, text) if line.startswith(("+ ", "- "))]
    return visit.page(
        "conditions_new.html",
        form=form,
        preview=not form.errors,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        changes=changes,
    )


@router.post("/conditions-of-use/publish")
def publish_version(visit: MemberDep, form: PostedDep) -> Response:
    """Put the version in force that was looked at."""
    visit.require(Permission.PUBLISH_CONDITIONS)
    version, text = form.text("version"), form.text("text")
    if hashlib.sha256(text.encode()).hexdigest() != form.text("sha256"):
        form.errors["text"] = "This is not the text that was shown: look at it again."
        return _preview_page(visit, form)
    with form.telling("version"):
        publish(visit.services, visit.who.user_id, version, text)
        # Our own session waits now, too.
        return visit.go(
            "/conditions-of-use", f"Version {version} is in force. Every session accepts it before going on."
        )
    return _preview_page(visit, form)


@router.get("/conditions-of-use/{version}")
def version_page(version: str, visit: MemberDep) -> Response:
    """The text of one version."""
    visit.require(Permission.SEE_CONDITIONS)
    with visit.services.database.read() as session:
        for known in all_conditions(session):
            if known.version == version:
                return visit.page("conditions_version.html", version=known)
    raise gone()
