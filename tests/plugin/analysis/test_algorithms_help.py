"""Every algorithm of the provider explains itself, and each of its inputs, and has an icon."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsProcessingParameterDefinition
from safestats.qgis_plugin.processing.provider import SafeStatsProvider


@pytest.fixture
def algorithms(qgis_app):
    provider = SafeStatsProvider()
    provider.refreshAlgorithms()
    return provider, list(provider.algorithms())


def test_each_has_help_words_and_an_icon_of_its_own(algorithms):
    _provider, found = algorithms
    assert {"proximitysearch", "premisesbatch", "explorecounts", "kerneldensity", "getisord", "backtest"} <= {
        algorithm.name() for algorithm in found
    }
    for algorithm in found:
        assert len(algorithm.shortHelpString()) > 100 and algorithm.displayName(), algorithm.name()
        assert Path(algorithm.svgIconPath()).is_file() and not algorithm.icon().isNull(), algorithm.name()
        assert Path(algorithm.svgIconPath()).stem != "safestats", algorithm.name()
        assert "safestats" in algorithm.tags()


def test_each_input_is_explained(algorithms):
    _provider, found = algorithms
    silent = [
        f"{algorithm.name()}.{one.name()}"
        for algorithm in found
        for one in algorithm.parameterDefinitions()
        if not one.help() and not one.isDestination()
        and not one.flags() & QgsProcessingParameterDefinition.Flag.FlagHidden
    ]  # fmt: skip
    assert silent == []
