"""Whose files the gazetteer is loaded from."""

from __future__ import annotations

from enum import StrEnum


class SourceKind(StrEnum):
    """What a file is."""

    OPEN_NAMES = "open-names"  # OS Open Names: CSV tiles or their zip
    CODE_POINT_OPEN = "code-point-open"  # OS Code-Point Open: CSV files or their zip
    ONSPD = "onspd"  # ONS Postcode Directory, either form of its headers
    BUS_STOPS = "bus-stops"  # TfL's list or NaPTAN
    STATIONS = "stations"  # NaPTAN, TfL's StationPoints.csv with Stations.csv beside it, or a plain list
    VENUES = "venues"  # a plain list of named places


POSTCODE_KINDS = frozenset({SourceKind.CODE_POINT_OPEN, SourceKind.ONSPD})
