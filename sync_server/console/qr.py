"""The picture that an authenticator app scans."""

from __future__ import annotations

import segno
from markupsafe import Markup

_LONGEST = 500


def qr_code(text: str) -> Markup:
    """The text as a QR code, in SVG to be put into a page."""
    picture = segno.make(text[:_LONGEST], error="m").svg_inline(omitsize=True, border=3, light="#fff")
    return Markup(picture.replace("<svg ", '<svg role="img" aria-label="QR code of the key below" ', 1))
