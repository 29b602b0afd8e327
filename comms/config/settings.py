"""All settings together, and the one way to get them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from comms.config import faults
from comms.config.api import Api
from comms.config.calls import Calls
from comms.config.contacts import Contacts
from comms.config.kafka import Kafka
from comms.config.local_stack import LocalStack
from comms.config.mail import Mail
from comms.config.observing import Observing
from comms.config.platform import Platform
from comms.config.secret_files import SecretFiles, is_secret
from comms.config.sending import Sending
from comms.config.service import Service
from comms.errors import ConfigurationError

ENV_FILE = ".env"
EMPTY_SAYS_NO = frozenset({"KAFKA_BOOTSTRAP_SERVERS"})
"""Set but empty is a word of its own there: no Kafka, not the one that `comms up` would start."""
GROUPS: tuple[type[BaseModel], ...] = (
    Service,
    Mail,
    Contacts,
    Calls,
    Sending,
    Api,
    Kafka,
    Platform,
    Observing,
    LocalStack,
)
"""The subjects in the order of `docs/settings.md`."""


class Settings(LocalStack, Observing, Platform, Kafka, Api, Sending, Calls, Mail, Service, BaseSettings):
    """One value per name. An empty value means the default, whatever a weaker layer says.

    Arguments may be spelled as attributes or as in the environment; the environment only as declared (Pydantic's
    `populate_by_name` would read HOME for `home`).
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",  # what Windows editors write is read too
        extra="ignore",
        arbitrary_types_allowed=True,
        frozen=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first: arguments, the environment, `.env`; in each of the two, NAME or NAME_FILE."""
        layers = [cast(EnvSettingsSource, layer) for layer in (env_settings, dotenv_settings)]
        both = [source for layer in layers for source in (SecretFiles(settings_cls, layer), layer)]
        given = cast(InitSettingsSource, init_settings).init_kwargs
        return (InitSettingsSource(settings_cls, _by_alias(given)), *both)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != "" or name in EMPTY_SAYS_NO}

    def faults(self) -> list[str]:
        """Say what forbids a start with these settings, one line each."""
        found = faults.contradictions(self)
        return found + faults.dangers(self) if self.environment == "production" else found


def _by_alias(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = Settings.model_fields
    unknown = set(given) - set(fields) - set(names())
    if unknown:
        raise TypeError(f"there is no setting {', '.join(sorted(unknown))}")
    return {str(fields[name].validation_alias) if name in fields else name: value for name, value in given.items()}


def names() -> list[str]:
    """List every setting as the environment spells it, by subject."""
    return [str(field.validation_alias) for field in Settings.model_fields.values()]


def secret_names() -> list[str]:
    """List the settings that NAME_FILE may hold."""
    return [str(field.validation_alias) for field in Settings.model_fields.values() if is_secret(field)]


@cache
def get_config() -> Settings:
    """Read the settings once; ConfigurationError lists every fault, without any value."""
    settings, found = read_settings()
    if found:
        raise ConfigurationError(found)
    return settings


def read_settings() -> tuple[Settings, list[str]]:
    """Read them anew, with the faults that forbid a start; ConfigurationError where they cannot even be read."""
    try:
        settings = Settings()
        given = {*os.environ, *dotenv_values(ENV_FILE, encoding="utf-8-sig")}
    except ValidationError as error:
        raise ConfigurationError(_lines(error.errors(include_input=False, include_url=False))) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            [f"{ENV_FILE}: cannot be read; it must be UTF-8 text that this user may open"]
        ) from None
    return settings, [*settings.faults(), *faults.misspelt(given, names())]


def _lines(errors: Iterable[ErrorDetails]) -> list[str]:
    """One line per fault; what merely depends on a faulty setting is left out."""
    told = [error for error in errors if error["type"] != "default_factory_not_called"]
    return [f"{error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}" for error in told]
