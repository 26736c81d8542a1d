"""Every text of the plugin can be translated, and a translation that lies there is used."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from qgis.PyQt.QtCore import QLocale, QObject
from safestats.qgis_plugin.core.translation import Translation

ROOT = Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location("translations", ROOT / "scripts" / "translations.py")
translations = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(translations)

SOURCE = """
class Base(QObject):
    def words(self):
        return self.tr("Sign in…") + self.tr("{count} rows " "here").format(count=3)

class Heir(Base):
    def more(self):
        return self.tr("Sign out")
"""


class Greeting(QObject):
    def words(self) -> str:
        return self.tr("Sign in…")


def test_texts_are_gathered_by_class_and_for_its_heirs() -> None:
    found = translations.gather({"x.py": SOURCE})
    assert [text for text, _, _ in found["Base"]] == ["Sign in…", "{count} rows here"]
    assert {text for text, _, _ in found["Heir"]} == {"Sign in…", "{count} rows here", "Sign out"}


@pytest.mark.parametrize("text", ['f"{count} rows"', '"rows " + name'])
def test_a_text_put_together_beforehand_is_refused(text: str) -> None:
    with pytest.raises(translations.UntranslatableTextError, match="x.py:4"):
        translations.gather(
            {"x.py": f"class Base:\n    def words(self):\n        count = 1\n        self.tr({text})\n"}
        )


def test_the_plugins_texts_make_one_file() -> None:
    root = ElementTree.fromstring(translations.document(translations.gather(translations.sources_of(ROOT))))
    contexts = {context.findtext("name"): context for context in root}
    assert {"LayersDock", "PlaceLocator", "OptionsPage"} <= set(contexts)
    sources = [message.findtext("source") for message in contexts["LayersDock"].findall("message")]
    assert len(sources) == len(set(sources)) > 10


@pytest.mark.skipif(shutil.which("lrelease") is None, reason="Qt's lrelease is not installed")
def test_a_compiled_translation_is_used_until_it_is_removed(qgis_app, tmp_path: Path) -> None:
    contexts = translations.gather({"x.py": "class Greeting:\n    def words(self):\n        self.tr('Sign in…')\n"})
    text = translations.document(contexts).decode("utf-8")
    done = text.replace('<translation type="unfinished" />', "<translation>Mewngofnodi…</translation>")
    assert done != text
    (tmp_path / "safestats_cy.ts").write_text(done, encoding="utf-8")
    subprocess.run(["lrelease", "-silent", tmp_path / "safestats_cy.ts"], check=True, capture_output=True)
    assert (tmp_path / "safestats_cy.qm").is_file()
    translation = Translation(tmp_path, QLocale("cy_GB"))
    try:
        assert translation.found and Greeting().words() == "Mewngofnodi…"
    finally:
        translation.remove()
    assert Greeting().words() == "Sign in…"


def test_without_a_translation_the_words_stay(qgis_app, tmp_path: Path) -> None:
    translation = Translation(tmp_path, QLocale("cy_GB"))
    assert not translation.found and Greeting().words() == "Sign in…"
    translation.remove()


def test_what_an_analysis_says_of_itself_is_gathered():
    code = (
        'A = Analysis(name="near", words="Near", group="Where", help="Tells " "much.", choices=(\n'
        '    Choice("cell", "Cell", "The side", Kind.METRES),\n'
        '    Choice("way", "Way", help="Which", kind=Kind.ONE_OF, options=(("a", "First"), ("b", "Second"))),\n'
        "))\n"
    )
    texts = [text for text, _, _ in translations.gather({"near.py": code})["Analyses"]]
    assert sorted(texts) == sorted(
        ["Near", "Where", "Tells much.", "Cell", "The side", "Way", "Which", "First", "Second"]
    )
