"""What the template workbook is known by when it comes back."""

from __future__ import annotations

EXAMPLE_MARK = "EXAMPLE: delete this row"
EXPLAINED, LISTS = "About the columns", "Lists"
# Sheets of the template that hold no incidents: nothing need be said of them.
TEMPLATE_SHEETS = frozenset((EXPLAINED, LISTS))
