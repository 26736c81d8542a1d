"""Commands of ``safestats`` that tests on both sides need: an organisation with a remit, an agreement's whole life."""

from __future__ import annotations

_REMIT = "Section 17 of the Crime and Disorder Act 1998: a local authority."
_BASIS = "Public task: section 17 of the Crime and Disorder Act 1998."
_CONTACT = "data-protection:D. Officer:dpo@example.org"

# After ``init``: no agreement can be signed without the terms of the supplier.
SUPPLIERS_TERMS = "terms load"


def organisation(code: str, name: str) -> str:
    """The command that adds an organisation which may hold agreements."""
    return f"org add {code} '{name}' --remit '{_REMIT}'"


def agreement(
    reference: str, organisation: str, dataset: str, *grants: str, starts: str = "2025-01-01", purposes: str = ""
) -> tuple[str, ...]:
    """The commands from the draft of an agreement to its being in force."""
    wanted = f"--purposes {purposes}" if purposes else ""
    return (
        f"agreement add {reference} --org {organisation} --dataset {dataset} --from {starts} --to 2099-12-31"
        f" --basis '{_BASIS}' --contact '{_CONTACT}' {wanted}",
        *(f"agreement grant {reference} {grant}" for grant in grants),
        *in_force(reference),
    )


def in_force(reference: str) -> tuple[str, ...]:
    """The commands that have a draft signed and put it in force."""
    return f"agreement sign {reference} --by 'A. Director'", f"agreement activate {reference}"


def amended(reference: str, *grants: str) -> tuple[str, ...]:
    """The commands that put a new version of an agreement in force, with ``grants`` in the place of the first one."""
    successor = f"{reference}.v2"
    return (
        f"agreement amend {reference}",
        f"agreement remove-grant {successor} 1",
        *(f"agreement grant {successor} {grant}" for grant in grants),
        *in_force(successor),
    )


def suspended(reference: str) -> str:
    """The command that suspends an agreement."""
    return f"agreement suspend {reference} --reason 'A breach is looked into.'"


def ended(reference: str) -> str:
    """The command that ends an agreement."""
    return f"agreement end {reference} --reason 'No longer needed.'"
