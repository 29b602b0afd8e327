"""The template files: where they come from, what a version of them is, and how their faults are told."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
)
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import ImmutableSandboxedEnvironment

from comms.errors import ConfigurationError
from comms.services.letters.words import WORDS

BUILT_IN = Path(__file__).parents[2] / "templates"
PARTS = ("html", "txt")


class _Files(FileSystemLoader):
    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError:
            raise TemplateRuntimeError(f"{template}: is not UTF-8") from None


class Templates:
    """One sandboxed environment: variables are strict, HTML is escaped, files of `folder` come before the package's."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigurationError([f"COMMS_TEMPLATES: {folder} is not a folder"])
        self.folder = folder
        self._environment = ImmutableSandboxedEnvironment(
            loader=_Files([folder, BUILT_IN] if folder else [BUILT_IN]),
            autoescape=lambda name: name is None or name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._versions: dict[tuple[str, str], str] = {}

    def get(self, template: str, language: str, part: str) -> Template:
        return self._environment.get_template(path_of(template, language, part))

    def block(self, source: Template, name: str, known: dict[str, Any]) -> str:
        """Render one block of a template alone."""
        if name not in source.blocks:
            raise TemplateRuntimeError(f"has no block {name!r}")
        return "".join(source.blocks[name](source.new_context(known)))

    def version(self, template: str, language: str) -> str:
        """Name what a letter is made with: a hash of every file behind both parts, and of the words for its facts."""
        key = (template, language)
        if key not in self._versions:
            digest = hashlib.sha256(repr(WORDS[language]).encode())
            for name, source in sorted(self.sources(template, language).items()):
                digest.update(f"\0{name}\0{source}".encode())
            self._versions[key] = digest.hexdigest()[:16]
        return self._versions[key]

    def sources(self, template: str, language: str) -> dict[str, str]:
        """Read every file behind both parts, bases and overrides included, by name."""
        found: dict[str, str] = {}
        wanted = [path_of(template, language, part) for part in PARTS]
        while wanted:
            name = wanted.pop()
            if name not in found:
                found[name] = self._source(name)
                parsed = self._environment.parse(found[name], name)
                wanted += filter(None, find_referenced_templates(parsed))
        return found

    def _source(self, name: str) -> str:
        assert self._environment.loader is not None
        return self._environment.loader.get_source(self._environment, name)[0]


def path_of(template: str, language: str, part: str) -> str:
    return f"{language}/{template}.{part}"


def explain(error: Exception) -> str:
    """Say what is wrong and where, in words that hold no value of a letter."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name}, line {error.lineno}: {error.message}"
    what = error.message if isinstance(error, TemplateError) and error.message else type(error).__name__
    return f"{_place(error)}{what}"


def _place(error: Exception) -> str:
    """The line of the template in which it happened; Jinja puts template files into the traceback."""
    frames = (f for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename.endswith((".html", ".txt")))
    return next((f"{Path(f.filename).name}, line {f.lineno}: " for f in frames), "")
