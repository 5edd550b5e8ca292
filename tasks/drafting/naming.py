"""What the name of a column hints at. A hint alone decides nothing that a comment does not say."""

from __future__ import annotations

import re

IDENTIFIER = re.compile(r"(^|[\s_.-])(ids?|uuid|guid|key|code|zip|zip_?code|postcode|postal_code)$", re.IGNORECASE)
SUBJECT = re.compile(
    r"(?i:(^|[\s_.-])(ids?|uuid|guid|subject|patient|participant|respondent|person|individual|household))$|[a-z](Id|ID)$"
)
CAMEL_IDENTIFIER = re.compile(r"[a-z](Id|ID|Code|Key)$")
MOMENT = re.compile(r"(^|[\s_.-])(date|day|dt|ymd|time|timestamp|ts)($|[\s_.-])|date$|time$", re.IGNORECASE)
YEAR = re.compile(r"(^|[\s_.-])(year|yr)$", re.IGNORECASE)
PERIOD = re.compile(r"(^|[\s_.-])(month|mon|mo|quarter|qtr|qu?|week|wk|day)$", re.IGNORECASE)
OVER = "|".join(
    (
        "end(ed)?",
        "last",
        "off",
        "expir(y|es|ed)",
        "closed?",
        "exit",
        "death",
        "died",
        "return(ed)?",
        "delivered",
        "resolved",
        "completed",
        "discharged?",
        "updated",
    )
)
END = re.compile(rf"(?i:(^|[\s_.-])({OVER})(date|time|$|[\s_.-]))|[a-z](End|Off|Last|Death|Exit)([A-Z]|$)")
START = re.compile(
    r"(?i:(^|[\s_.-])(start|begin|begun|diag|onset|entry|enrol|enroll|admit|admission|opened|created|sign_?up))"
    r"|[a-z](Start|Begin|Entry|Created|Opened)([A-Z]|$)"
)
BIRTH = re.compile(r"birth|(^|[\s_.-])dob($|[\s_.-])", re.IGNORECASE)


def looks_like_identifier(name: str) -> bool:
    """Whether a column by its name holds what only tells things apart.

    >>> [looks_like_identifier(name) for name in ("patient_id", "customerID", "zip", "valid", "width")]
    [True, True, True, False, False]
    """
    return bool(IDENTIFIER.search(name) or CAMEL_IDENTIFIER.search(name))


def looks_like_subject(name: str) -> bool:
    """Whether a column by its name tells apart whose rows these are: an id, or a person, but no postal code.

    >>> [looks_like_subject(name) for name in ("patient_id", "PatientID", "Subject", "zip", "valid")]
    [True, True, True, False, False]
    """
    return bool(SUBJECT.search(name))


def looks_like_moment(name: str) -> bool:
    """Whether a column by its name holds dates or times.

    >>> [looks_like_moment(name) for name in ("order_date", "timestamp", "daytime", "days")]
    [True, True, True, False]
    """
    return bool(MOMENT.search(name))


def looks_like_year(name: str) -> bool:
    """Whether a column by its name holds years.

    >>> [looks_like_year(name) for name in ("Year", "fiscal_year", "years", "yearly_cost")]
    [True, True, False, False]
    """
    return bool(YEAR.search(name))


def looks_like_birth(name: str) -> bool:
    """Whether a column by its name holds dates of birth: a moment, but not when the row happened."""
    return bool(BIRTH.search(name))


def looks_like_period(name: str) -> bool:
    """Whether a column by its name holds parts of a year, such as its months.

    >>> [looks_like_period(name) for name in ("month", "Quarter", "birth_week", "monthly")]
    [True, True, True, False]
    """
    return bool(PERIOD.search(name))


def looks_like_start(name: str) -> bool:
    """Whether a column by its name holds when something began.

    >>> [looks_like_start(name) for name in ("start_date", "diagdate", "CreatedAt", "restart")]
    [True, True, True, False]
    """
    return bool(START.search(name))


def looks_like_end(name: str) -> bool:
    """Whether a column by its name holds when something was over, known only then.

    >>> [looks_like_end(name) for name in ("end_date", "deathdate", "Date.Off", "closed_at", "start", "weekend")]
    [True, True, True, True, False, False]
    """
    return bool(END.search(name))
