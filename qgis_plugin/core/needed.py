"""What has to be there by the program's own order; where it is not, the program is wrong, not who uses it."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def needed(value: Value | None, what: str) -> Value:
    """The value; raises ``RuntimeError`` naming ``what`` is missing where it is ``None``."""
    if value is None:
        raise RuntimeError(f"There is no {what} where one is needed.")
    return value
