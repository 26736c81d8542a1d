"""The words of a description: normalised, abbreviations written out, homes and empty phrases recognised."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

LONGEST_KEY = 200

# Marks among the words: a name never reaches across one.
BREAK = ","
MEETS = "+"  # what stands on both sides meets there: a junction

_ABBREVIATIONS = {
    "rd": "road",
    "ave": "avenue",
    "av": "avenue",
    "avn": "avenue",
    "ln": "lane",
    "la": "lane",
    "sq": "square",
    "gdns": "gardens",
    "gdn": "gardens",
    "grdns": "gardens",
    "cl": "close",
    "cres": "crescent",
    "crs": "crescent",
    "crt": "court",
    "ct": "court",
    "dr": "drive",
    "pl": "place",
    "ter": "terrace",
    "terr": "terrace",
    "gr": "grove",
    "grv": "grove",
    "gro": "grove",
    "pk": "park",
    "hl": "hill",
    "ms": "mews",
    "rec": "recreation ground",
    "jct": "junction",
    "jctn": "junction",
    "junc": "junction",
    "cnr": "corner",
    "stn": "station",
    "stat": "station",
    "sch": "school",
    "hosp": "hospital",
    "str": "street",
    "saint": "st",
    "mt": "mount",
    "nth": "north",
    "sth": "south",
    "n": "and",  # Fox n Hounds
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STREET_TYPES = _words(
    "road street avenue lane gardens close grove hill terrace place mews crescent square way walk drive row court "
    "parade broadway embankment rise vale yard passage green circus bridge wharf approach mall"
)
# Between words they lead to a place and are none.
_LEADING = _words(
    "a an the at in on of to by near nr nearby outside inside opposite opp behind beside next front off along "
    "around from between into towards via end top bottom corner side junction road area vicinity close and with "
    "just location place scene happened occurred while whilst when was were is it"
)
# What people write that names no place.
_GENERIC = _words(
    "street streets road roads pavement footpath path alley alleyway public somewhere outdoors outside inside "
    "unknown unk nk na nil none refused refuses declined decline unable say state stated not known recorded "
    "unsure uncertain cannot cant remember recall doesnt does dont did know tell told disclose disclosed "
    "information info given pub pubs bar club nightclub nightclubs night party event shop shops store supermarket "
    "restaurant takeaway cafe kebab chicken bus stop train tube station platform underground overground carriage "
    "taxi cab car vehicle carpark park parks school college university work workplace office gym prison custody "
    "cell hostel hotel hospital ward address other unspecified various local town centre city london uk england "
    "central greater high main busy assault assaulted attacked attack punched kicked hit stabbed robbed mugged "
    "fight fighting fell fallen pushed thrown bottled glassed by male males female man men woman women group gang "
    "youths youth stranger strangers person people someone unprovoked alleged allegedly patient pt pts he she "
    "they his her their him them who has had been walking walk home going waiting sitting standing after before "
    "during last evening morning afternoon today yesterday friday saturday sunday monday tuesday wednesday "
    "thursday weekend early late hours am pm approx about number no floor entrance exit estate flats block "
    "building toilets steps stairs market bench bridge house door drinking drunk intoxicated friends friend "
    "whilst out up down back way via ambulance las police met x xx xxx see notes note above as per same tbc "
    "abroad overseas holiday"
)
# Of a name that is compared these tell what it is, the rest which one.
_KINDS_OF_PLACE = STREET_TYPES | _words(
    "park common recreation ground playing fields school primary secondary academy college leisure centre nightclub "
    "club pub bar inn hotel station tube underground overground train rail dlr railway bus stop"
)
# With one of these a text that nothing is found for is worth a person's look.
_TELLING = STREET_TYPES | _words(
    "arms inn tavern pub bar club nightclub school academy college park common station estate market centre "
    "church stadium library hotel"
)

_BESIDE = _words("st outside inside opposite behind near")

_TO_SOMEWHERE = re.compile(
    r"\b(?:care|nursing|childrens|funeral|retirement|residential|residents|peoples|elderly|"
    r"(?:on |the |my |his |her |their |own )*way|route|journey|walk(?:ing|ed|s)?|going|gone|go|goes|went|travel+ing|"
    r"return(?:ing|ed)?|com(?:ing|e)|came|head(?:ing|ed)?|cycl(?:ing|ed)|driv(?:ing|e)|drove|get(?:ting)?|got|"
    r"run(?:ning)?|towards|taken|bus|tube|train|taxi)\s+(?:back\s+)?homes?\b"
    r"|\bhome(?:base|bargains|sense|less|\s+(?:bargains|office|from)\b)"
    r"|\b(?:public|opera|full|coffee|ale|club|custom|carpenters?|light|ware|court|steak|curry|brew)\s?house\b"
)
_WHOSE = (
    r"(?:own|my|his|her|their|the|pts?|patients?|victims?|friends?|partners?|boyfriends?|girlfriends?|husbands?|"
    r"wifes?|mothers?|mums?|fathers?|dads?|parents?|brothers?|sisters?|sons?|daughters?|relatives?|familys?|"
    r"neighbou?rs?|cousins?|uncles?|aunts?|exs?|ex partners?|ex boyfriends?|ex girlfriends?|assailants?|"
    r"perpetrators?|someones?|someone elses|somebodys|a|private|residential)"
)
_RESIDENCE = (
    r"(?:homes?|house|flat|address|residence|property|dwelling|apartment|bedroom|room|doorstep|front door|garden)"
)
_HOME = re.compile(
    rf"\bhome\b|\bhome address\b|\b{_WHOSE} {_RESIDENCE}\b|\bresidence\b|\bdwelling\b|\bdomestic\b"
    r"|\b(?:flat|apartment|apt|bedsit) ?\d+\w?\b|\bin ?doors\b|\b(?:bed|living |sitting )room\b|\bkitchen\b"
)
_ONLY_HOME = re.compile(r"(?:at |in |inside |outside )?(?:a |the )?(?:house|flat|own|res|ha|h/a|indoors|house party)")
_THERE = re.compile(
    r"\b(?:a and e|a&e|ae|ed|accident and emergency|emergency department|waiting room|ward|cubicle|reception|"
    r"resus|triage|(?:hospital )?grounds|hospital (?:car ?park|entrance|grounds|canteen|corridor)|outside|"
    r"in front of|entrance|car ?park|canteen|corridor|member of staff|staff member|staff assaulted|"
    r"assaulted (?:in|at|while|whilst)|while (?:in|at)|whilst (?:in|at)|by (?:a )?(?:fellow |another )?patient|"
    r"bus stop)\b"
)


def fold(text: str) -> str:
    """Small letters without accents and apostrophes; “&” as “and”."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return re.sub(r"['’‘`´]", "", folded).replace("&", " and ")


def plain(text: str) -> str:
    """The text as it is compared and, where somebody must look at it, shown: small letters, single spaces."""
    return re.sub(r"\s+", " ", fold(text)).strip(" .,;:-")[:LONGEST_KEY].strip()


def key_of(name: str) -> str:
    """A name as it is looked up: “St. John’s Rd” is “st johns road”, “The Fox & Hen” is “fox and hen”."""
    return key_of_words([word for word in re.split(r"[^a-z0-9]+", fold(name)) if word])


def key_of_words(words: list[str]) -> str:
    """The key of words that are folded already."""
    if len(words) > 1 and words[0] == "the" and (len(words) > 2 or words[1] not in STREET_TYPES):
        words = words[1:]
    written = [_ABBREVIATIONS.get(word, word) for word in words]
    if len(written) > 1 and written[-1] == "st":
        written[-1] = "street"
    return " ".join(written)


_JUNCTION = re.compile(
    r"\bj\s*/\s*w\b|\bjw\b|\b(?:jct|jctn|jnc|jnct|junc|junction|cnr|corner|crossroads)\b\.?\s*(?:of|with|w/)(?=\s)"
    r"|\b(?:meets|crosses)\b"
)
_OUTSIDE = re.compile(r"\bo\s*/\s*s\b|\bo/side\b")
_OPPOSITE = re.compile(r"\bopp\b\.?|\bopp/\b")


def words_of(text: str) -> list[str]:
    """The words of a description, folded, with ``BREAK`` and ``MEETS`` between them.

    “corner of A and B” gives a mark before A: what meets is marked by any “and” or “/” after it.
    """
    folded = _JUNCTION.sub(f" {MEETS} ", _OUTSIDE.sub(" outside ", _OPPOSITE.sub(" opposite ", fold(text))))
    folded = folded.replace("/", f" {MEETS} ")
    folded = re.sub(r"[,;:\n\r|]| - | – ", f" {BREAK} ", folded)
    return [word for word in re.split(r"[^a-z0-9,+]+", folded) if word]


def says_home(text: str) -> bool:
    """Whether the text speaks of somebody's residence."""
    folded = plain(text).replace("home address", "own address")
    folded = _TO_SOMEWHERE.sub(" ", folded)
    return bool(_HOME.search(folded) or _ONLY_HOME.fullmatch(folded.strip()))


def says_there(text: str) -> bool:
    """Whether it says that the assault happened at the hospital itself."""
    return bool(_THERE.search(plain(text)))


def is_filler(word: str) -> bool:
    """Whether the word names no place by itself."""
    return word in (BREAK, MEETS) or word in _LEADING or word in _GENERIC or word.isdigit() or len(word) < 2


def is_leading(word: str) -> bool:
    """Whether the word only leads to a place."""
    return word in _LEADING or word.isdigit()


def written_out(word: str) -> str:
    """The word, written out where it is an abbreviation."""
    return _ABBREVIATIONS.get(word, word)


def distinctive(key: str) -> str:
    """What tells a name from others of its kind: “elmer” of “elmer road”."""
    words = key.split(" ")
    return " ".join(word for word in words if word not in _KINDS_OF_PLACE) or key


def is_kind_of_place(word: str) -> bool:
    """Whether the word tells what a place is."""
    return word in _KINDS_OF_PLACE


def worth_a_look(words: list[str]) -> bool:
    """Whether a text in which nothing was found still seems to name a place."""
    high = any(first == "high" and last in ("st", "street", "road", "rd") for first, last in pairwise(words))
    named = high or any(not is_filler(word) for word in words)
    return named and any(written_out(word) in _TELLING or word in _BESIDE for word in words)


@dataclass(frozen=True)
class Phrase:
    """Words that stand together: ``start`` is the place of the first."""

    start: int
    words: tuple[str, ...]


def phrases(words: list[str], taken: set[int]) -> list[Phrase]:
    """What is left between marks and words that are taken, without what only leads to it."""
    found: list[Phrase] = []
    run: list[str] = []
    start = 0
    for index, word in enumerate([*words, BREAK]):
        if index < len(words) and index not in taken and word not in (BREAK, MEETS):
            if not run:
                start = index
            run.append(word)
            continue
        while run and is_leading(run[0]):
            run, start = run[1:], start + 1
        while run and is_leading(run[-1]) and written_out(run[-1]) not in STREET_TYPES:
            run = run[:-1]
        if any(not is_filler(each) for each in run):
            found.append(Phrase(start, tuple(run)))
        run = []
    return found
