"""What a column as a whole says of its values: the same ten figures are an NHS number in one and an order in another.

Works on unique values; only those that could hold something are looked at one by one.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from .headers import Identifier, words_of
from .numbers import more_than_chance, nhs_numbers_among
from .persons import is_in_the_form_of_a_name, is_like_a_person, is_surname, word_list
from .values import blanked, identifiers_in, is_full_address, normal, ten_figures

# Shares of a column's distinct values.
_MOST = 0.5  # of an agreed column: it is of nothing else
_SOME = 0.3  # of one that is not agreed
_FORMED = 0.9  # in the form of a name
_LEAST_KNOWN = 0.12  # of which so many are in the lists
_ENOUGH = 10
_MANY_ADDRESSES = 0.1
_DATES = 0.8
_FEW = 3  # so few values say nothing of their column
_BIRTHS_SPREAD = 15  # years from the tenth to the ninetieth of a hundred
_NO_INCIDENT_BEFORE = 1990
_YOUNGEST_BIRTHS = 2005
_SAMPLE = 20_000  # of distinct values, to tell whether a column is of people's names or of births
_REFERENCE_WORDS = frozenset(
    [
        "number",
        "no",
        "num",
        "nr",
        "ref",
        "reference",
        "id",
        "identifier",
        "code",
        "crime",
        "incident",
        "case",
        "job",
        "cad",
        "urn",
    ]
)

# Numbers, coordinates, hashes, instants: nothing in them is looked for one by one.
_PLAIN = (
    r"^\s*(?:[+-]?\d{1,9}(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?\d*\.\d+(?:\s*[,; ]\s*[+-]?\d*\.\d+)?|"
    r"[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d\d/\d\d/\d{4}(?: \d\d:\d\d(?::\d\d)?)?)?\s*$"
)
# Whole numbers of ten figures in disguise: pandas writes “9434765919.0”, others “9.434765919E+09” or “9,434,765,919”.
_DISGUISED = (
    r"^\s*\+?(?:\d{10}\.0{1,6}|[0-9]{1,10}(?:\.[0-9]{1,12})?[eE]\+?0?[0-9]|[0-9](?:[,'’][0-9]{3}){3}(?:\.0{1,6})?)\s*$"
)
# What any finding needs: figures in a row, or in the form of a date or of a National Insurance number, letters of
# another script's, an at sign, a postcode, or a word that tells of it.
_FIGURES = (
    r"(?i)\d(?:[^a-z\d]{0,3}\d){6}|[a-z]{2}[ -]?\d\d[ -]?\d\d[ -]?\d\d[ -]?[a-d]|\d[/.-]\d{1,2}[/.-](?:19|200)\d"
    r"|(?:19|200)\d[/.-]\d|[a-z] {0,2},? {0,2}(?:19\d\d|200\d)"
)
_ANNOUNCED = (
    r"(?i)@|nhs|n\.h\.s|\bmrn\b|\bni\b|d ?\.? ?o ?\.? ?b|birth|\bborn|address|\baddr|\bh/a\b"
    r"|\bliv(?:e|es|ed|ing)\b|resid|home"
    r"|\b[a-z]{1,2}\d[a-z\d]? {0,2}\d[a-z]{2}\b"
    r"|\b(?:flat|apartment|apt|maisonette|studio|room|bedsit)\b|name\b|\bn\.?o\.?k\b|next of kin|\btel|phone|\bmob"
    r"|\b(?:mr|mrs|miss|ms|mx|dr|prof|professor|rev|reverend|sgt|sergeant|insp|inspector|cllr|wpc|pcso|pc|dc|ds|di|con)\b"
)
_CODE = r"^\s*[A-Za-z0-9/_.-]*\d[A-Za-z0-9/_.-]*\s*$"
_CODE_OF_TEN = r"^\s*[A-Za-z]?[1-9]\d{9}[A-Za-z]?\s*$"
_CODE_OF_ELEVEN = r"^\s*[A-Za-z]?(?:\d{11}|0\d{9})[A-Za-z]?\s*$"
_BARE_PHONE = r"^\s*0[1-35789]\d{8,9}\s*$"
_BARE_NUMBER = r"^\s*\d{10}\s*$"
_DATE_PART = (
    r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.\-]\d{1,2}[/.\-](?:\d{4}|\d{2})"
    r"|\d{1,2}[ \-][A-Za-z]{3,9}[ \-,]{1,2}\d{4})(?:[ T].*)?$"
)
_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%d %b %Y", "%d %B %Y")
_SERIAL_DATE = r"^\s*\d{4,5}(?:\.0)?\s*$"
_FIRST_SERIAL = pl.date(1899, 12, 30)


@dataclass(frozen=True)
class Judged:
    """What is to become of a column: ``stops`` names what it holds; ``changes`` has texts and what they become."""

    stops: Identifier | None = None
    changes: dict[str, str] = field(default_factory=dict, repr=False)
    counts: Counter[Identifier] = field(default_factory=Counter)  # values blanked, in rows


def judge(header: str, texts: pl.Series, values: pl.Series, agreed: bool, codes: frozenset[str]) -> Judged:
    """Look at the texts of one column; ``values`` has each once.

    ``codes`` are what the definition lets stand in a column, in small letters.
    """
    values = values.rename("text")
    plain = values.str.contains(_PLAIN)
    sample = _sample(texts)
    if sample.is_empty():
        return Judged()
    for test in (_are_births, _are_names):
        found = test(header, sample, agreed)
        if found is not None:
            return Judged(found)
    disguised = _disguised(values)
    odd = values.filter(~plain | values.is_in(list(disguised)) if disguised else ~plain)
    if codes and not odd.is_empty():
        odd = odd.filter(~odd.str.strip_chars().str.to_lowercase().is_in(list(codes)))
    if odd.is_empty():
        return Judged()
    distinct = len(values) - int((values.str.strip_chars() == "").any())
    return _look_closely(header, texts, odd, distinct, agreed, disguised)


def _disguised(values: pl.Series) -> dict[str, str]:
    """Of values that are ten figures written as a number of another form, these figures."""
    found = values.filter(values.str.contains(_DISGUISED))
    return {text: figures for text in found if (figures := ten_figures(text))}


def _sample(texts: pl.Series) -> pl.Series:
    """Distinct filled texts, not more than a sample, in their order."""
    some = texts.gather_every(max(1, len(texts) // _SAMPLE))
    if len(some) < len(texts) and some.n_unique() < _ENOUGH:  # hardly ever filled, or always the same
        some = texts.unique(maintain_order=True).head(_SAMPLE)
    return some.filter(some.str.strip_chars() != "").unique(maintain_order=True)


def _look_closely(
    header: str, texts: pl.Series, odd: pl.Series, distinct: int, agreed: bool, disguised: dict[str, str]
) -> Judged:
    numbers = odd.replace(disguised).str.strip_chars() if disguised else odd.str.strip_chars()
    numbers = numbers.filter(numbers.str.contains(_BARE_NUMBER))
    plain_numbers = numbers.filter(numbers.str.contains(r"^[0-9]{10}$"))
    of_ten = odd.str.contains(_CODE_OF_TEN)
    if disguised:
        of_ten |= odd.is_in(list(disguised))
    # What is plain is a number, a hash, an instant: a code as well.
    coded = distinct - len(odd) + int((of_ten | odd.str.contains(_CODE)).sum())
    of_codes = coded >= _FEW and 2 * coded >= distinct
    right = nhs_numbers_among(plain_numbers)
    nhs_numbers = bool(right) and more_than_chance(right, len(plain_numbers))
    if of_codes and nhs_numbers and 2 * len(numbers) >= distinct:
        return Judged(Identifier.NHS_NUMBER)
    # Ten figures alone are a reference where the column is one of references.
    references = of_codes or bool(_REFERENCE_WORDS & set(words_of(header)))
    if references and (not nhs_numbers or (agreed and len(numbers) < _FEW)):
        odd = odd.filter(~of_ten)
    if references and 2 * int(odd.str.contains(_BARE_PHONE).sum()) < coded:
        odd = odd.filter(~odd.str.contains(_CODE_OF_ELEVEN))
    candidates = odd.to_frame("text").filter(_could_hold("text")).get_column("text").sort()
    if candidates.is_empty():
        return Judged()
    rows_of = dict(texts.filter(texts.is_in(candidates.implode())).value_counts().iter_rows())
    changes: dict[str, str] = {}
    counts: Counter[Identifier] = Counter()
    whole: Counter[Identifier] = Counter()  # distinct values that are an identifier and no more
    within: Counter[Identifier] = Counter()
    certain: Counter[Identifier] = Counter()
    addresses = 0
    for text in candidates:
        rows = rows_of[text]
        after, kinds = blanked(text)
        if not kinds:
            continue
        changes[text] = after
        for kind, number in kinds.items():
            counts[kind] += number * rows
            (whole if not after.strip(" .,;:-()+") else within)[kind] += 1
        if not agreed:
            certain.update({one.kind for one in identifiers_in(normal(text)) if one.certain})
            addresses += is_full_address(text)
    return Judged(_stopped(distinct, agreed, whole, within, certain, addresses, nhs_numbers), changes, counts)


def _stopped(
    distinct: int,
    agreed: bool,
    whole: Counter[Identifier],
    within: Counter[Identifier],
    certain: Counter[Identifier],
    addresses: int,
    nhs_numbers: bool,
) -> Identifier | None:
    """The kind for which a file stops."""
    if agreed:
        if distinct < _FEW:
            return None
        return next((kind for kind, number in whole.most_common() if number > _MOST * distinct), None)
    if certain:
        return certain.most_common(1)[0][0]
    if addresses and addresses >= _MANY_ADDRESSES * distinct:
        return Identifier.ADDRESS
    if nhs_numbers and (whole | within)[Identifier.NHS_NUMBER]:
        return Identifier.NHS_NUMBER
    for kind in (Identifier.PHONE, Identifier.NAME, Identifier.BIRTH):
        number = whole[kind] + within[kind]
        if number > _SOME * distinct or (kind == Identifier.PHONE and whole[kind] > _SOME * distinct):
            return kind
    return None


def _could_hold(column: str) -> pl.Expr:
    text = pl.col(column)
    strange = text.str.contains(r"[^\x00-\x7f]") & (text.str.count_matches(r"\d") > 4)
    return (
        text.str.contains(_FIGURES) | strange | text.str.contains(_ANNOUNCED) | text.str.contains(_given_name_pattern())
    )


def _given_name_pattern() -> str:
    return r"(?i)\b(?:" + "|".join(sorted(word_list("given_names"))) + r")\b[ .\t]{1,3}[a-z\u00c0-\u024f]"


def _are_names(header: str, values: pl.Series, agreed: bool) -> Identifier | None:
    """Whether a column is one of people's names, by a sample of its distinct values."""
    worded = values.filter(values.str.contains(r"^[^\d/@<>_]{2,60}$"))
    if len(worded) < _MOST * len(values) or len(worded) < _FEW:
        return None
    sample = worded.sort().gather_every(max(1, len(worded) // _SAMPLE))
    texts = [normal(text).strip() for text in sample]
    share = _MOST if agreed else _SOME
    like = sum(map(is_like_a_person, texts))
    if like > share * len(texts):
        return Identifier.NAME
    # Names from everywhere are in no list: a column of nothing but such forms, hardly one of them twice, is of people.
    formed = sum(1 for text in texts if is_in_the_form_of_a_name(text))
    if formed > _FORMED * len(texts) and like > _LEAST_KNOWN * len(texts) and len(texts) > _ENOUGH:
        return Identifier.NAME
    single = [text.casefold() for text in texts if re.fullmatch(r"[^\W\d_]+(?:['’-][^\W\d_]+)?", text)]
    if len(single) < max(_FEW, _MOST * len(texts)):
        return None
    usual = word_list("words") | word_list("places")
    for known in (lambda word: word in word_list("given_names"), is_surname):
        if sum(1 for word in single if known(word) and word not in usual) > share * len(texts):
            return Identifier.NAME
    return None


def _are_births(header: str, values: pl.Series, agreed: bool) -> Identifier | None:
    """Whether a column's dates are spread as births are: over a generation, and long before any incident."""
    if len(values) > _SAMPLE:
        values = values.sort().gather_every(len(values) // _SAMPLE)
    days = (
        values.str.extract(_DATE_PART).str.replace_all(r"[.\-]", "/").str.replace(r"^(\d{4})/(\d+)/(\d+)$", "$1-$2-$3")
    )
    days = days.str.replace_all(r"^(\d{1,2})[ /]([A-Za-z]+)[ /,]+", "$1 $2 ")
    if days.null_count() > (1 - _DATES) * len(values):
        if not {"date", "day"} & set(words_of(header)) or values.str.contains(_SERIAL_DATE).sum() < _DATES * len(
            values
        ):
            return None
        number = pl.col("text").str.strip_chars().cast(pl.Float64, strict=False).cast(pl.Int64)
        parsed = pl.DataFrame({"text": values}).select(_FIRST_SERIAL + pl.duration(days=number)).to_series()
    else:
        parsed = (
            pl.DataFrame({"day": days})
            .select(pl.coalesce(pl.col("day").str.to_date(form, strict=False) for form in _DATE_FORMATS))
            .to_series()
        )
    years = parsed.drop_nulls().dt.year()
    if len(years) < _DATES * len(values) * _DATES:
        return None
    if len(years) < 5:
        old = bool((years < _YOUNGEST_BIRTHS).all())
        return Identifier.BIRTH if old and not agreed else None
    first, last = years.quantile(0.1, "nearest"), years.quantile(0.9, "nearest")
    if first is None or last is None or last - first < _BIRTHS_SPREAD:
        return None
    return Identifier.BIRTH if first < _NO_INCIDENT_BEFORE or not agreed else None
