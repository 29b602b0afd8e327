"""Email addresses and phone numbers."""

from __future__ import annotations

import re
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from comms.rules.addresses import mailbox
from comms.services.intake.values import Unusable, line

_SEVERAL = re.compile(r"[,;\s/|].*@|@.*[,;\s/|].*@", re.DOTALL)
_EXTENSION = re.compile(
    r"(?P<main>.*\d)\s*(?:,|;)?\s*\(?(?:durchwahl|dw|app(?:arat)?|ext(?:ension)?|x)\.?:?\s*(?P<direct>\d{1,7})\)?", re.I
)
_HYPHEN = re.compile(r"(?P<main>.*\d)\s?[-‐‑–]\s?(?P<direct>\d{1,5})")


def email_address(value: Any) -> dict[str, Any]:
    """Exactly one address, IDN and SMTPUTF8 allowed, with the mailbox it belongs to; whether it exists is not asked."""
    text = line(value, 320)
    if text.count("@") > 1 and _SEVERAL.search(text):
        raise Unusable("several_emails")
    try:
        address = validate_email(text, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise Unusable("not_an_email") from None
    key = mailbox(address)
    if len(key) > 320:
        raise Unusable("too_long")
    return {"email": address, "mailbox": key}


def phone_number(value: Any) -> dict[str, Any]:
    """A number as E.164, with the extension apart (DIN 5008: `030 1234567-89`); without a country code it is German."""
    text = line(value, 60)
    if not isinstance(value, str) or not text.startswith(("+", "0", "(0", "(+")):
        raise Unusable("not_a_phone_number")  # a local number, or one that a spreadsheet robbed of its zero
    main, direct = _split(text)
    number = _parse(main)
    if number is None:
        raise Unusable("not_a_phone_number")
    plain = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return {"phone": plain, "phone_extension": direct or (number.extension or "")[:10] or None}


def written_number(phone: str | None, extension: str | None) -> str | None:
    """Write a stored number so that `phone_number` reads it back: `+49301234567-89`."""
    if phone is None or extension is None:
        return phone
    hyphened = f"{phone}-{extension}"
    return hyphened if _split(hyphened) == (phone, extension) else f"{phone} ext. {extension}"


def _split(text: str) -> tuple[str, str | None]:
    if named := _EXTENSION.fullmatch(text):
        return named["main"], named["direct"]
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen and _is_whole(hyphen["main"]):
        return hyphen["main"], hyphen["direct"]
    return text, None


def _is_whole(main: str) -> bool:
    """Say whether this is a landline number by itself: then the hyphen after it marks an extension."""
    number = _parse(main)
    if number is None or len(re.findall(r"\d[-‐‑–]\d", main)) > 1:
        return False
    subscriber = re.split(r"[\s/)\-‐‑–]+", main)[-1]
    landline = (PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    return len(subscriber) >= 4 and phonenumbers.number_type(number) in landline


def _parse(text: str) -> PhoneNumber | None:
    if re.search(r"[^\W\d_]{2}", text):
        return None  # words are not dialled
    try:
        number = phonenumbers.parse(text, "DE")
    except NumberParseException:
        return None
    digits = str(number.national_number)
    return number if phonenumbers.is_possible_number(number) and len(digits) >= 5 else None
