"""How a row is known again in the next delivery.

A row is the supplier's id, in its month or in the whole dataset as declared. Where one id names several different
rows of a month, their stable fields tell them apart; where it names one incident of the whole dataset, the last row
of a delivery holds. A row without id is its stable fields and its ordinal among equal ones of the month, so that ten
equal thefts at one station stay ten. A duplicate is the same identity twice in one delivery, never likeness.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import polars as pl
import pyarrow as pa

from ..ahead import one_ahead
from ..datasets.definitions import Identity, Within
from ..keys import IDENTITY_BYTES, Keys, digests
from ..progress import Between, unwatched

_PIECE = 100_000
_CONTENT_BYTES = 16
_SEPARATOR = "\x1f"
_NOTHING = "\x00"


def identify(
    frame: pl.DataFrame, dataset: str, keys: Keys, identity: Identity, between: Between = unwatched
) -> pl.DataFrame:
    """The frame with ``identity`` and ``duplicate``, true on all rows with one identity but the one that holds.

    Needs the columns ``period`` and ``supplier_id`` (null where there is none) and the stable ones.
    """
    likeness = _likeness(identity)
    has_id = pl.col("supplier_id").is_not_null()
    everywhere = identity.within == Within.DATASET
    known = ["supplier_id"] if everywhere else ["period", "supplier_id"]
    if everywhere:
        holds = pl.struct(*known).is_last_distinct()
    else:
        holds = pl.struct(*known, "_likeness").is_first_distinct()
    marked = frame.with_columns(likeness.alias("_likeness"))
    between()
    ids = marked.get_column("supplier_id").drop_nulls()
    if ids.n_unique() == len(ids):
        # As it mostly is, and a million rows need not be grouped to find it out.
        marked = marked.with_columns(pl.lit(False).alias("duplicate"), pl.lit(1, pl.Int32).alias("_bearers"))
    else:
        marked = marked.with_columns((has_id & ~holds).alias("duplicate"))
        between()
        # Counted among different rows only: a border's double must not change an incident's identity.
        bearers = pl.col("duplicate").not_().cast(pl.Int32).sum().over(known)
        marked = marked.with_columns(bearers.alias("_bearers"))
    between()
    alike = marked.lazy().with_row_index("_at").filter(~has_id).select("_at", "period", "_likeness")
    ordinals = alike.select("_at", pl.int_range(pl.len()).over("period", "_likeness").alias("_ordinal")).collect()
    marked = marked.with_columns(
        pl.Series("_ordinal", [None], dtype=pl.Int64)
        .new_from_index(0, len(marked))
        .scatter(ordinals.get_column("_at"), ordinals.get_column("_ordinal"))
    )
    between()
    parts = marked.select(
        pl.lit(dataset).alias("dataset"),
        pl.when(has_id & pl.lit(everywhere)).then(pl.lit("")).otherwise("period").alias("within"),
        pl.when(has_id).then(pl.lit("id")).otherwise(pl.lit("like")).alias("kind"),
        pl.when(has_id).then("supplier_id").otherwise(pl.col("_ordinal").cast(pl.String)).alias("name"),
        pl.when(has_id & (pl.col("_bearers") == 1)).then(pl.lit("")).otherwise("_likeness").alias("likeness"),
    )
    # As ``Keys.identity`` puts them together.
    framed = [
        text for name in parts.columns for text in (pl.col(name).str.len_chars().cast(pl.String), pl.lit(":"), name)
    ]
    identities = _hashed(parts, framed, keys.identity_digests, IDENTITY_BYTES, between)
    return marked.with_columns(identities.alias("identity")).drop("_likeness", "_bearers", "_ordinal")


def likenesses(frame: pl.DataFrame, identity: Identity) -> pl.Series:
    """The stable fields of each row, as one text: what tells rows of one id apart."""
    return frame.select(_likeness(identity).alias("likeness")).to_series()


def identities_of_id(keys: Keys, dataset: str, within: str, names: Iterable[tuple[str, str]]) -> list[str]:
    """The identities of rows by the supplier's id and the likeness, which is empty where no other row bears the id.

    ``within``: the month, or "" where an id names one incident of the whole dataset.
    """
    return keys.identities((dataset, within, "id", name, likeness) for name, likeness in names)


def _likeness(identity: Identity) -> pl.Expr:
    return pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null(_NOTHING) for name in identity.stable], separator=_SEPARATOR
    )


def content_hashes(frame: pl.DataFrame, columns: Sequence[str], between: Between = unwatched) -> pl.Series:
    """A hash (32 hexadecimal digits) of each row's values: another one means that the row changed."""
    values = [pl.col(name).cast(pl.String).fill_null(_NOTHING) for name in columns]
    apart = [pl.lit(_SEPARATOR)] * len(values)
    texts = [part for pair in zip(values, apart, strict=True) for part in pair][:-1]
    hashes = partial(digests, hashlib.blake2b(digest_size=_CONTENT_BYTES))
    return _hashed(frame, texts, hashes, _CONTENT_BYTES, between).alias("content")


def _hashed(
    frame: pl.DataFrame,
    parts: Sequence[pl.Expr | str],
    hashes: Callable[[list[bytes]], bytes],
    length: int,
    between: Between,
) -> pl.Series:
    """What ``hashes`` makes of each row's parts put together, ``length`` bytes, in hexadecimal digits.

    Piece by piece, for a million texts fill the memory.
    """

    def texts_of(piece: pl.DataFrame) -> pl.Series:
        return piece.select(pl.concat_str(parts).cast(pl.Binary)).to_series()

    made = []
    for texts in one_ahead(texts_of, frame.iter_slices(_PIECE)):
        between()
        made.append(hashes(texts.to_list()))
    hashed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(length), len(frame), [None, pa.py_buffer(b"".join(made))])
    return pl.Series(hashed.cast(pa.binary())).bin.encode("hex")
