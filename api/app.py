"""`uvicorn api.app:app`: the app of the settings. One line a request goes to standard error."""

import logging

from api.building import create_app
from comms.config import get_config

logging.basicConfig(format="%(levelname)s:     %(name)s %(message)s")
logging.getLogger("comms").setLevel(logging.INFO)

app = create_app(get_config())
