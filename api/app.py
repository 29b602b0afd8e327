"""`uvicorn api.app:app`: the app of the settings."""

from api.building import create_app
from comms.config import get_config

app = create_app(get_config())
