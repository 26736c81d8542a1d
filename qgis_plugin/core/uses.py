"""What may be done with what comes of a layer: the uses that the agreement grants, kept by our own exports."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from .errors import AgreementRefused


class Use(Enum):
    """The uses that are kept at the desk; the server keeps the others. The values are the server's words."""

    EXPORT = "export"  # files for colleagues whom the agreement covers
    PUBLISH = "publish"  # pages for everybody


_FORBIDDEN = {
    Use.EXPORT: "Your agreement on {title} does not grant its export: nothing made of it may be saved to a file.",
    Use.PUBLISH: "Your agreement on {title} does not grant publication: no page for publication may be made of it.",
}
_WHOM_TO_ASK = "If your work needs it, ask the SafeStats team to have the agreement amended."


def require_use(granted: Collection[str] | None, use: Use, title: str) -> None:
    """Raise ``AgreementRefused`` where ``use`` is not among those granted; ``None``: no server has limited them."""
    if granted is not None and use.value not in granted:
        raise AgreementRefused(f"{_FORBIDDEN[use].format(title=title)} {_WHOM_TO_ASK}", f"{use.value}-not-granted")
