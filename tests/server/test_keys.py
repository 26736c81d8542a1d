"""Keys, identities and feature ids."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safestats.sync_server.keys import Keys, KeysError, feature_id_range

pytestmark = pytest.mark.engineless


def test_the_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    keys = Keys.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Keys.open(path) == keys
    assert Keys.open(tmp_path / "other.json") != keys
    assert keys.secrets_by_name["identity"].hex() not in repr(keys)


@pytest.mark.parametrize("text", ["", "{}", '{"identity": "00"}', "[]", '{"identity": 1}'])
def test_a_damaged_file_is_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="ascii")
    with pytest.raises(KeysError, match="restore"):
        Keys.open(path)
    assert path.read_text(encoding="ascii") == text


KEYS = Keys({name: bytes([n]) * 32 for n, name in enumerate(("identity", "fid_point", "fid_grid", "fid_area"))})


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_have_different_identities(one: list[str], other: list[str]) -> None:
    assert (KEYS.identity(one) == KEYS.identity(other)) == (one == other)


@given(st.text(), st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_a_feature_id_lies_in_the_range_of_its_day_and_differs_by_precision(identity: str, day: date) -> None:
    first, last = feature_id_range(day, day)
    fids = {KEYS.feature_id(precision, identity, day) for precision in ("point", "grid", "area")}
    assert len(fids) == 3 and all(first <= fid <= last < 2**63 for fid in fids)
    assert KEYS.feature_id("point", identity, day, attempt=1) not in fids
