"""Every domain's tables in one place, found by their folders, for comparing models with the
database.
"""

import importlib
import importlib.util
import pkgutil
from typing import Final

from sqlalchemy import MetaData

import sync_server
from sync_server.kit.models import Base

_KIT_TABLES: Final = ("alarms", "idempotency", "outbox", "schedules")


def metadata() -> MetaData:
    """Import each domain's `models` module (a domain without tables has none), and the kit's
    modules that have tables.
    """
    for name in _KIT_TABLES:
        importlib.import_module(f"sync_server.kit.{name}")
    for domain in pkgutil.iter_modules(sync_server.__path__, "sync_server."):
        if domain.ispkg and importlib.util.find_spec(f"{domain.name}.models") is not None:
            importlib.import_module(f"{domain.name}.models")
    return Base.metadata
