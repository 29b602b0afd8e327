"""`NAME_FILE` names a file that holds the value of NAME, as Docker and Kubernetes mount secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from comms.errors import ConfigurationError


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the secrets of one layer, the environment or `.env`, so that the environment wins in both spellings."""

    def __init__(self, settings: type[BaseSettings], layer: EnvSettingsSource) -> None:
        super().__init__(settings)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the content of the file, or None where none is named."""
        name = str(field.validation_alias)
        path = self._layer.env_vars.get(f"{name}_file".lower())
        if path and self._layer.env_vars.get(name.lower()):
            raise ConfigurationError([f"{name}: set it or {name}_FILE, not both"])
        return (_content(name, path) if path else None), name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        faults: list[str] = []
        for field_name, field in self.settings_cls.model_fields.items():
            if is_secret(field):
                try:
                    value, name, _ = self.get_field_value(field, field_name)
                except ConfigurationError as error:
                    faults += error.faults
                else:
                    found |= {name: value} if value is not None else {}
        if faults:
            raise ConfigurationError(faults)
        return found


def is_secret(field: FieldInfo) -> bool:
    """Tell whether the setting was declared with `secret=True`."""
    told = field.json_schema_extra
    return isinstance(told, dict) and bool(told.get("secret"))


def _content(name: str, path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError([f"{name}_FILE: cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"{name}_FILE: is not UTF-8 text"]) from None
    if not content:
        raise ConfigurationError([f"{name}_FILE: the file is empty"])
    return content
