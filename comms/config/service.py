"""Where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from comms.config.fields import AbsolutePath, DatabaseUrl, setting


class Service(BaseModel):
    """Where things are"""

    environment: Literal["development", "production"] = setting(
        "development", "COMMS_ENVIRONMENT", "`production` refuses to start on anything unsafe, with one line per fault."
    )
    home: AbsolutePath = setting(
        Path(".comms"), "COMMS_HOME", "Folder of the embedded database, logs and the local stack."
    )
    database_url: DatabaseUrl = setting(
        None,
        "DATABASE_URL",
        "PostgreSQL (`postgresql://USER:PASSWORD@HOST/NAME`) or SQLite (`sqlite:///PATH`). What PostgreSQL's has after "
        "a `?` goes before our limits: `sslmode`, `connect_timeout`, `options=-c%20statement_timeout%3D300000`.",
        secret=True,
        shown="the SQLite file `comms.db` in COMMS_HOME",
        default_from=lambda known: f"sqlite:///{known['home'] / 'comms.db'}",
    )
    prefect_api_url: str = setting(
        "", "PREFECT_API_URL", "A running Prefect server. Without it `comms up` starts one.", shown="none"
    )
