"""Phone numbers as they are written down in Germany."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_GERMANY = 49


def din_5008(phone: str | None, extension: str | None) -> str | None:
    """Show an E.164 number and its extension after DIN 5008, `030 1234567-89`; a foreign one begins with its code."""
    if phone is None:
        return None
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException:
        shown = phone
    else:
        at_home = number.country_code == _GERMANY
        form = PhoneNumberFormat.NATIONAL if at_home else PhoneNumberFormat.INTERNATIONAL
        shown = phonenumbers.format_number(number, form)
    return f"{shown}-{extension}" if extension else shown
