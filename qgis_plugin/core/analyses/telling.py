"""Findings in the user's language: fixed words are looked up here, sentences where they are made."""

from __future__ import annotations

from dataclasses import replace

from ..exact import Exact
from ..sentences import translated
from .analysis import Findings, Output


def in_words(findings: Findings) -> Findings:
    """The findings with all fixed words translated; values and sentences that were put together are so already."""
    return replace(
        findings,
        answer=translated(findings.answer),
        outputs=tuple(map(_output, findings.outputs)),
        parameters=tuple(map(told, findings.parameters)),
        notes=tuple(map(translated, findings.notes)),
    )


def told(parameter: tuple[str, str]) -> tuple[str, str]:
    """A parameter, translated."""
    words, value = map(translated, parameter)
    if isinstance(parameter, Exact):
        return Exact.of(words, value, translated(parameter.public) if parameter.public else "")
    return words, value


def _output(output: Output) -> Output:
    return replace(
        output,
        title=translated(output.title),
        words={column: translated(words) for column, words in output.words.items()},
        classes=tuple(replace(one, label=translated(one.label)) for one in output.classes),
        legend_title=translated(output.legend_title) if output.legend_title else "",
    )
