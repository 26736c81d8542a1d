"""Pages as PDF: what they show is in them, and nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weasyprint import Document


def laid_out(html: str) -> Document:
    """The pages of a document that has its style and pictures in it, tagged."""
    from weasyprint import HTML  # most processes never print
    from weasyprint.urls import URLFetcher

    # Any other address is left out of the page, as a picture that is not there.
    fetcher = URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    # What is not tagged from the start cannot be tagged later.
    return HTML(string=html, url_fetcher=fetcher).render(pdf_tags=True)


def printed(html: str) -> bytes:
    """The document as tagged PDF."""
    return written(laid_out(html))


def written(document: Document) -> bytes:
    """Pages that were laid out as tagged PDF."""
    pdf = document.write_pdf(pdf_tags=True)
    assert isinstance(pdf, bytes)
    return pdf
