"""The few questions to a Prefect server, over plain HTTP: importing Prefect takes two seconds."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

import httpx

SECONDS = 5.0
"""For each answer."""
AT_ONCE = 200
"""Rows of one page; Prefect gives no more."""


class Away(Exception):
    """The server does not answer as Prefect does; the text says how, for behind "the server"."""


class PrefectServer:
    """`url` is that of the API. It takes the login that Prefect's own client takes, from the same variables."""

    def __init__(self, url: str) -> None:
        login, key = os.environ.get("PREFECT_API_AUTH_STRING", ""), os.environ.get("PREFECT_API_KEY", "")
        user, _, password = login.partition(":")
        self._client = httpx.Client(
            base_url=url.rstrip("/"), timeout=SECONDS, trust_env=False, auth=(user, password) if login else None,
            headers={"Authorization": f"Bearer {key}"} if key else None,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def version(self) -> str:
        return str(self._ask("GET", "/admin/version"))

    def deployments(self) -> list[dict[str, Any]]:
        return self._list("/deployments/filter")

    def workers(self, pool: str) -> list[dict[str, Any]]:
        return self._list(f"/work_pools/{pool}/workers/filter")

    def automations(self) -> list[dict[str, Any]]:
        return self._list("/automations/filter")

    def _list(self, path: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._ask("POST", path, {"limit": AT_ONCE})
        return rows

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
            answer.raise_for_status()
            return answer.json()
        except httpx.HTTPStatusError as error:
            raise Away(f"answers {error.response.status_code} to {path}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Away(f"does not answer ({type(error).__name__})") from None
        except ValueError:
            raise Away(f"is no Prefect server: {path} is no JSON") from None
