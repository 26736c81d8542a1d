"""Headers that announce something identifying, in the spellings in which suppliers write them."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Identifier(StrEnum):
    """What tells who somebody is; the value is how it is called in a sentence, in the plural."""

    NAME = "people's names"
    BIRTH = "dates of birth"
    NHS_NUMBER = "NHS numbers"
    PATIENT_NUMBER = "numbers of patients"
    NI_NUMBER = "National Insurance numbers"
    PHONE = "telephone numbers"
    EMAIL = "e-mail addresses"
    ADDRESS = "home addresses"
    DOCUMENT = "numbers of passports or licences"


_NUMBER = frozenset(("no", "nos", "num", "number", "numbers", "nr", "id", "ref", "identifier", "code"))
_PERSON = frozenset(
    [
        "patient",
        "patients",
        "pt",
        "pts",
        "victim",
        "victims",
        "casualty",
        "person",
        "persons",
        "people",
        "client",
        "clients",
        "suspect",
        "suspects",
        "offender",
        "offenders",
        "perpetrator",
        "assailant",
        "attacker",
        "caller",
        "informant",
        "witness",
        "witnesses",
        "driver",
        "passenger",
        "officer",
        "staff",
        "clinician",
        "doctor",
        "gp",
        "consultant",
        "nurse",
        "mother",
        "father",
        "parent",
        "guardian",
        "carer",
        "kin",
        "nok",
        "contact",
        "customer",
        "complainant",
        "subject",
        "individual",
        "employee",
        "attendee",
        "injured",
        "deceased",
        "owner",
        "occupier",
        "resident",
    ]
)
_NAME = frozenset(["name", "names", "fullname", "called"])
_NAMES_ALONE = frozenset(
    [
        "forename",
        "forenames",
        "surname",
        "surnames",
        "firstname",
        "firstnames",
        "lastname",
        "lastnames",
        "familyname",
        "givenname",
        "givennames",
        "middlename",
        "middlenames",
        "maidenname",
        "christianname",
        "fullname",
        "patientname",
        "victimname",
        "suspectname",
        "casualtyname",
        "nextofkin",
        "initials",
        "nickname",
        "alias",
        "fname",
        "lname",
        "sname",
    ]
)
_NAME_PHRASES = (
    ("first", "name"),
    ("last", "name"),
    ("family", "name"),
    ("given", "name"),
    ("middle", "name"),
    ("maiden", "name"),
    ("christian", "name"),
    ("full", "name"),
    ("sur", "name"),
    ("fore", "name"),
    ("next", "of", "kin"),
    ("known", "as"),
)
_PHONE = frozenset(
    ["phone", "phones", "telephone", "telephones", "tel", "mob", "cellphone", "fax", "landline", "msisdn"]
)
_EMAIL = frozenset(["email", "emails", "mail", "emailaddress"])
_HOME = frozenset(
    [
        "home",
        "residence",
        "residential",
        "residency",
        "resident",
        "usual",
        "own",
        "domicile",
        "domiciliary",
        "lives",
        "living",
        "permanent",
    ]
)
_WHERE = frozenset(
    ["address", "addresses", "addr", "add", "postcode", "postcodes", "post", "pcode", "street", "house", "zip"]
)
# Alone these may be a place's as well as a person's: an agreed mapping may expect them.
_WEAK = {
    "name": Identifier.NAME,
    "names": Identifier.NAME,
    "address": Identifier.ADDRESS,
    "addresses": Identifier.ADDRESS,
    "fulladdress": Identifier.ADDRESS,
    "addressline": Identifier.ADDRESS,
    "housenumber": Identifier.ADDRESS,
    "houseno": Identifier.ADDRESS,
    "housename": Identifier.ADDRESS,
    "contactnumber": Identifier.PHONE,
    "contactno": Identifier.PHONE,
    "contact": Identifier.NAME,
}


def words_of(header: str) -> tuple[str, ...]:
    """The words of a header in small letters: “Patient_DOB”, “patientDob” and “PATIENT D.O.B.” are alike."""
    text = unicodedata.normalize("NFKC", header)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    text = re.sub(r"['’]s\b|['’]", "", text)
    text = re.sub(r"\b([A-Za-z])\.(?=[A-Za-z]\b)", r"\1", text)  # D.O.B. is one word
    return tuple(re.findall(r"[a-z]+", text.casefold()))


def identifying_header(header: str, expected: bool = False) -> Identifier | None:
    """What a column of that header would hold, ``None`` where it announces nothing identifying.

    A header that alone says too little (“Name”, “Address”) counts unless it is ``expected``.
    """
    words = words_of(header)
    joined = "".join(words)
    there = set(words)
    if not words:
        return None
    for test in (_birth, _nhs_number, _ni_number, _patient_number, _document, _phone, _email, _home_address, _name):
        found = test(words, there, joined)
        if found is not None:
            return found
    return None if expected else _WEAK.get(joined)


def _birth(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & {"dob", "birthdate", "birthday", "dateofbirth", "born"} or joined in ("dob", "dofb", "bday"):
        return Identifier.BIRTH
    if there & {"birth", "birthdt"} and not there & {"year", "month", "place", "country", "sex", "yob"}:
        return Identifier.BIRTH
    return Identifier.BIRTH if joined.endswith(("dateofbirth", "birthdate")) or _phrase(words, "d", "o", "b") else None


def _nhs_number(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & {"nhsno", "nhsnumber", "nhsnum", "nhsid", "chi", "chino"} or "nhsnumber" in joined:
        return Identifier.NHS_NUMBER
    # “NHS site code” and “NHS trust id” are an organisation's.
    beside = there - {"nhs"} - _NUMBER - _PERSON - {"new", "the", "of", "verified", "status", "indicator"}
    if "nhs" in there and there & (_NUMBER - {"code"}) and not beside:
        return Identifier.NHS_NUMBER
    return None


def _ni_number(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & {"nino", "nationalinsurance"} or "nationalinsurance" in joined:
        return Identifier.NI_NUMBER
    return Identifier.NI_NUMBER if "ni" in there and there & (_NUMBER - {"code", "id"}) else None


def _patient_number(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if joined in ("mrn", "pasnumber", "pasno", "pasid", "hospitalnumber", "hospitalno", "unitnumber", "districtnumber"):
        return Identifier.PATIENT_NUMBER
    if there & {"patient", "pt"} and there & (_NUMBER - {"code"}):
        return Identifier.PATIENT_NUMBER
    return Identifier.PATIENT_NUMBER if joined in ("medicalrecordnumber", "patientid", "patientno") else None


def _document(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if "passport" in there or _phrase(words, "driving", "licence") or _phrase(words, "driver", "licence"):
        return Identifier.DOCUMENT
    return None


def _phone(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & _PHONE or joined in ("mobile", "mobileno", "mobilenumber", "homenumber", "worknumber", "telno"):
        # “Person (mobile phone)” is a value, “Origin of call” a header: a phone's kind is no number, but rare.
        return Identifier.PHONE
    return Identifier.PHONE if "mobile" in there and there & (_NUMBER | _PERSON) else None


def _email(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & (_EMAIL - {"mail"}) or _phrase(words, "e", "mail") or joined == "mail":
        return Identifier.EMAIL
    return None


def _home_address(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & {"homeaddress", "homepostcode", "residence"} and not there & {"type", "borough", "area", "code"}:
        return Identifier.ADDRESS
    person = there & (_PERSON - {"contact", "subject", "owner", "occupier", "kin"})
    if (there & _HOME or person) and there & _WHERE and not there & {"district", "sector", "outward", "area"}:
        return Identifier.ADDRESS
    return None


def _name(words: tuple[str, ...], there: set[str], joined: str) -> Identifier | None:
    if there & _NAMES_ALONE or joined in _NAMES_ALONE:
        return Identifier.NAME
    if any(_phrase(words, *phrase) for phrase in _NAME_PHRASES):
        return Identifier.NAME
    return Identifier.NAME if there & _NAME and there & _PERSON else None


def _phrase(words: tuple[str, ...], *phrase: str) -> bool:
    return any(words[at : at + len(phrase)] == phrase for at in range(len(words) - len(phrase) + 1))
