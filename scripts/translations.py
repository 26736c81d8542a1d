"""Gathers the plugin's texts for translators: run it with any Python, from the root of the repository.

    python scripts/translations.py build/safestats.ts

Qt Linguist opens the file. Saved as ``safestats_cy.ts`` and compiled (``lrelease safestats_cy.ts -qm
resources/i18n/safestats_cy.qm``), a translation is used by every QGIS in that language.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("qgis_plugin",)

# What is declared of an analysis is looked up where it is shown, under a context of its own.
_DECLARED, _DECLARATIONS = "Analyses", ("Analysis", "Choice")
_WORDS = ("words", "group", "help")

# Sentences are looked up where they are made, fixed words of findings where they are shown.
_SENTENCES = {"say": (0,), "say_number": (1, 2), "counted": (1,)}
_FINDINGS = (
    "core/analyses/*.py",
    "core/cautions.py",
    "core/chosen_bandwidth.py",
    "core/usual_periods.py",
    "core/hotspot_styles.py",
    "core/hotspots.py",
)
_NO_FINDINGS = frozenset({"writing.py", "record.py", "registry.py", "drawing.py", "hotspot_runs.py"})

Message = tuple[str, str, int]  # text, file, line


class UntranslatableTextError(Exception):
    """A text that is put together before it is looked up."""


def gather(sources: dict[str, str]) -> dict[str, list[Message]]:
    """The texts of ``sources`` (file → code) by context: the class whose ``tr`` is called.

    PyQt looks a text up under the class of the object at hand, so the texts of a class are those of its heirs too.
    Raises ``UntranslatableTextError``.
    """
    own: dict[str, list[Message]] = defaultdict(list)
    heirs: dict[str, set[str]] = defaultdict(set)
    for file, source in sorted(sources.items()):
        tree = ast.parse(source, file)
        if any(map(Path(file).match, _FINDINGS)):
            own[_DECLARED].extend(_fixed_words(tree, file))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SENTENCES:
                own[_DECLARED].extend(_sentences(node, file))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "translated":
                texts = filter(_is_text, ast.walk(node))
                own[_DECLARED].extend((text.value, file, text.lineno) for text in texts if len(text.value) > 1)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _DECLARATIONS:
                own[_DECLARED].extend(_declared(node, file))
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    heirs[base.id if isinstance(base, ast.Name) else ast.unparse(base)].add(node.name)
                own[node.name].extend(_texts(node, file))
    found = {name: list(messages) for name, messages in own.items()}
    for name, messages in own.items():
        for heir in _all_heirs(name, heirs):
            found[heir] = found.get(heir, []) + messages
    return {name: messages for name, messages in sorted(found.items()) if messages}


def _texts(owner: ast.ClassDef, file: str) -> Iterator[Message]:
    for node in ast.walk(owner):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "tr"):
            continue
        text = node.args[0] if node.args else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield text.value, file, node.lineno
        elif isinstance(text, (ast.JoinedStr, ast.BinOp)):
            raise UntranslatableTextError(f"{file}:{node.lineno}: give tr() a plain text, and fill it in afterwards.")


def _declared(call: ast.Call, file: str) -> Iterator[Message]:
    """Words, group and help of an analysis; words and help of a choice, and the words of its options."""
    given = list(call.args[1:4] if call.func.id == "Analysis" else call.args[1:3])
    given += [keyword.value for keyword in call.keywords if keyword.arg in _WORDS]
    for keyword in call.keywords:
        if keyword.arg == "options" and isinstance(keyword.value, ast.Tuple):
            given += [option.elts[1] for option in keyword.value.elts if isinstance(option, ast.Tuple)]
    for text in given:
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield text.value, file, text.lineno


def _sentences(call: ast.Call, file: str) -> Iterator[Message]:
    """The texts that a sentence is made of; of things that are counted, one and many."""
    for place in _SENTENCES[call.func.id]:
        text = call.args[place] if place < len(call.args) else None
        if not isinstance(text, ast.Constant):
            if isinstance(text, (ast.JoinedStr, ast.BinOp)) and "{{" not in ast.unparse(text):
                raise UntranslatableTextError(
                    f"{file}:{call.lineno}: give {call.func.id}() a plain text, and fill it in afterwards."
                )
        elif call.func.id == "counted":
            yield f"{{n}} {text.value}", file, text.lineno
            yield f"{{n}} {text.value}s", file, text.lineno
        else:
            yield text.value, file, text.lineno


def _fixed_words(tree: ast.Module, file: str) -> Iterator[Message]:
    """Every text of a module of findings that is words: no docstring, no name of a column, nothing that is raised."""
    if Path(file).name in _NO_FINDINGS:
        return
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.JoinedStr)) or (isinstance(node, ast.Expr) and _is_text(node.value)):
            passed.update(id(part) for part in ast.walk(node))
    for node in ast.walk(tree):
        if _is_text(node) and id(node) not in passed and _is_words(node.value):
            yield node.value, file, node.lineno


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_words(text: str) -> bool:
    return any(map(str.isalpha, text)) and (" " in text.strip() or text[:1].isupper()) and not set("=_[") & set(text)


def _all_heirs(name: str, heirs: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = heirs.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return found


def document(contexts: dict[str, list[Message]]) -> bytes:
    """The texts as Qt Linguist's file; each once in a context, with every place where it stands."""
    root = ElementTree.Element("TS", version="2.1", sourcelanguage="en_GB")
    for name, messages in contexts.items():
        context = ElementTree.SubElement(root, "context")
        ElementTree.SubElement(context, "name").text = name
        places: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for text, file, line in messages:
            places[text].append((file, line))
        for text, where in places.items():
            message = ElementTree.SubElement(context, "message")
            for file, line in where:
                ElementTree.SubElement(message, "location", filename=file, line=str(line))
            ElementTree.SubElement(message, "source").text = text
            ElementTree.SubElement(message, "translation", type="unfinished")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def sources_of(root: Path) -> dict[str, str]:
    """The plugin's source files."""
    files = sorted(file for folder in FOLDERS for file in (root / folder).rglob("*.py"))
    return {str(file.relative_to(root)): file.read_text(encoding="utf-8") for file in files}


def main(target: Path) -> None:
    """Write the file."""
    contexts = gather(sources_of(ROOT))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(document(contexts))
    texts = {text for messages in contexts.values() for text, _, _ in messages}
    print(f"{target}: {len(texts):,} texts in {len(contexts)} contexts")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
