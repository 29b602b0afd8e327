"""Every setting of the service: read once from the environment and `.env`, checked at start.

One file per subject. `docs/settings.md` and `.env.example` are written from them (`comms docs write`).
"""

from comms.config.mail import SmtpSettings
from comms.config.settings import GROUPS, Settings, get_config

__all__ = ["GROUPS", "Settings", "SmtpSettings", "get_config"]
