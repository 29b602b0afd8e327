"""What the three kinds of facts share: words, phone hours, and text that says something."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

from api.schemas.fields import Body, Line
from comms.rules.availability import read_availability

Salutation = Literal["frau", "herr", "divers"]
Language = Literal["de", "en"]
InsuranceKind = Literal["statutory", "private", "self"]
Land = Literal["BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"]
"""ISO 3166-2:DE."""
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

SHOWN_FAULTS = 10


class Facts(Body):
    """Facts on their way into the intake, which reads values as JSON has them."""

    def given(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


def need_not_be_sent(description: str) -> Any:
    """A field that may be absent and is never null; its absence has no value that OpenAPI could show."""
    return Field(default_factory=lambda: None, description=description)


def says_something(value: str) -> str:
    """Refuse spaces only: what is not known is null."""
    if not value.strip():
        raise PydanticCustomError("empty", "is empty; null says that it is not known")
    return value


def _readable(value: Any) -> Any:
    """Refuse hours of which a part could not be read: who sends them is there to mend them."""
    if faults := read_availability(value).faults:
        places = "; ".join(faults[:SHOWN_FAULTS])
        raise PydanticCustomError("hours_unreadable", "{text}", {"text": f"could not be read: {places}"})
    return value


Line20 = Annotated[Line, StringConstraints(max_length=20), AfterValidator(says_something)]
Line50 = Annotated[Line, StringConstraints(max_length=50), AfterValidator(says_something)]
Line100 = Annotated[Line, StringConstraints(max_length=100), AfterValidator(says_something)]
Line200 = Annotated[Line, StringConstraints(max_length=200), AfterValidator(says_something)]


class Window(BaseModel):
    """From `start` to `end`, local time; `24:00` is the end of the day."""

    start: str
    end: str


Hours = dict[Weekday, list[Window]]
"""Windows of a week, merged and in order."""

AskedHours = Annotated[
    dict[str, JsonValue] | Annotated[str, StringConstraints(strict=True, min_length=1, max_length=20_000)] | None,
    AfterValidator(_readable),
    Field(
        description="Weekdays in English or German, long or short; windows as objects, pairs or `09:00-12:00`; or one"
        " line such as `Mo-Fr 9-12, Mi 14-16:30`. What cannot be read is refused with its place."
    ),
]
