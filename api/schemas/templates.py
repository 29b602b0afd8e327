"""What is sent, over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from api.schemas.fields import View

Language = Literal["de", "en"]


class Format(StrEnum):
    """How a preview is shown."""

    HTML = "html"
    TEXT = "text"
    JSON = "json"
    EML = "eml"
    """The whole message, byte for byte as it would be handed over."""


class WordingView(View):
    """A template in one language; `version` changes with every file and word behind it."""

    language: Language
    version: str
    subject: str


class TemplateView(View):
    name: str
    purpose: str
    languages: list[WordingView]


class PreviewView(View):
    """A letter about nobody."""

    template: str
    language: Language
    version: str
    subject: str
    html: str
    text: str
