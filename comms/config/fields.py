"""How one setting is declared, and the kinds of values that need a check of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, SecretStr


def setting(
    default: Any,
    name: str,
    meaning: str,
    *,
    secret: bool = False,
    shown: str | None = None,
    default_from: Callable[[dict[str, Any]], Any] | None = None,
    **limits: Any,
) -> Any:
    """Declare a setting. `name` is that of the environment; `shown` tells the default where a value would not.

    A `secret` is also read from the file that NAME_FILE names, and never shown. `default_from` makes the default from
    the settings declared before it.
    """
    told: dict[str, JsonValue] = {"secret": secret, "shown": shown}
    start: dict[str, Any] = {"default_factory": default_from} if default_from else {"default": default}
    return Field(**start, validation_alias=name, description=meaning, repr=not secret, json_schema_extra=told, **limits)


def _zone(value: Any) -> Any:
    try:
        return ZoneInfo(value) if isinstance(value, str) else value
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone; a good one is Europe/Berlin") from None


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("the home directory in it is not known; write the whole path") from None


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("there is no such folder")
    return path


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _one_line(text: str) -> str:
    if any(not character.isprintable() for character in text):
        raise ValueError("must be one line without control characters")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r'[^\s@<>(),;:"]+@[^\s@<>(),;:"]+', text):
        raise ValueError("needs one plain email address, like name@domain.de")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]+", text):
        raise ValueError("needs a host name or an IP address, without scheme, brackets or port")
    return text


def _base_url(url: str) -> str:
    """A login in it would end up in logs, and a question mark would swallow the paths that are added."""
    if url and not (re.fullmatch(r"[!-~]+", url) and not re.search(r"[?#@\\]", url) and _is_http(url)):
        raise ValueError("needs http://HOST[:PORT][/PATH] or https://…, without login, question mark or fragment")
    return url.rstrip("/")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _header_value(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]*", secret.get_secret_value()):
        raise ValueError("must be plain ASCII without spaces")
    return secret


def _database(url: str) -> str:
    """A relative SQLite path is made absolute: worker processes run in other folders."""
    backend, found, path = url.partition(":///")
    if backend.split("+")[0] == "sqlite" and found and not path.startswith(("/", ":memory:", "file:", "?")) and path:
        return f"{backend}:///{Path(path).absolute()}"
    if url.split("://")[0].split("+")[0] not in ("sqlite", "postgresql", "postgres") or "://" not in url:
        raise ValueError("needs postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH")
    return url


# the text tells people what is allowed (`docs/settings.md`)
Zone = Annotated[ZoneInfo, BeforeValidator(_zone), "a time zone name"]
AbsolutePath = Annotated[Path, AfterValidator(_absolute), "a path"]
Folder = Annotated[Path, AfterValidator(_absolute), AfterValidator(_folder), "a folder that exists"]
File = Annotated[Path, AfterValidator(_absolute), AfterValidator(_file), "a file that exists"]
OneLine = Annotated[str, AfterValidator(_one_line), "one line of text"]
Address = Annotated[str, AfterValidator(_address), "an email address"]
Host = Annotated[str, AfterValidator(_host), "a host name or IP address"]
DatabaseUrl = Annotated[str, AfterValidator(_database), "a URL"]
BaseUrl = Annotated[str, AfterValidator(_base_url), "an http or https URL"]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value), "ASCII without spaces"]
