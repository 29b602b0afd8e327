"""`uvicorn api.app:app`: the app of the settings. One line a request goes to standard error."""

from api.building import create_app
from comms import logs
from comms.config import get_config

settings = get_config()
logs.configure(settings.log_format)

app = create_app(settings)
