"""`uvicorn api.app:app`: the app of the settings. Of each request it tells a line, on standard error, and a span."""

from comms import garbage

garbage.collect_seldom()
with garbage.nothing_but_imports():
    from api.building import create_app
    from comms import logs, otlp
    from comms.config import get_config

    settings = get_config()
    logs.configure(settings.log_format)
    otlp.start()
    app = create_app(settings)
