"""What a label's expressions may read on a page that everybody sees: words and figures of the page, no layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qgis.core import QgsExpression

_EXPRESSION = re.compile(r"\[%(.*?)%\]", re.DOTALL)
# By group, and only these: a function that is new, or the user's own, may read what it likes.
_PLAIN_GROUPS = frozenset(
    ("Arrays", "Color", "Conditionals", "Conversions", "Date and Time", "Fuzzy Matching", "Maps", "Math", "String")
)
_PLAIN_FUNCTIONS = frozenset(("var", "with_variable", "length", "reverse", "map_credits"))
_OF_THE_FEATURE = frozenset(("feature", "geometry", "id", ""))  # the empty name: one that is worked out
_LONGEST = 40


def tells_of_features(text: str, safe_atlas: bool) -> bool:
    """Whether the label's ``text`` has an expression that reads layers or features.

    ``safe_atlas``: the page is one of an atlas whose features hold nothing but what may be published; their columns
    may be read then.
    """
    return any(_reads_features(expression, safe_atlas) for expression in _expressions(text))


def shorten_words(text: str) -> str:
    """The text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _expressions(text: str) -> Iterator[QgsExpression]:
    for found in _EXPRESSION.finditer(text):
        yield QgsExpression(found[1])


def _reads_features(expression: QgsExpression, safe_atlas: bool) -> bool:
    if not all(map(_is_plain, expression.referencedFunctions())):
        return True
    if safe_atlas:
        return False
    variables = expression.referencedVariables()
    return bool(expression.referencedColumns()) or any(
        name in _OF_THE_FEATURE or name.startswith("atlas_") for name in variables
    )


def _is_plain(name: str) -> bool:
    if name in _PLAIN_FUNCTIONS:
        return True
    number = QgsExpression.functionIndex(name)
    return number >= 0 and _PLAIN_GROUPS.issuperset(QgsExpression.Functions()[number].groups())
