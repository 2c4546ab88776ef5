"""Every domain's tables in one place, found by their folders, for comparing models with the
database.
"""

import importlib
import importlib.util
import pkgutil

from sqlalchemy import MetaData

import sync_server
from sync_server.kit.models import Base


def metadata() -> MetaData:
    """Import each domain's `models` module; a domain without tables has none."""
    for domain in pkgutil.iter_modules(sync_server.__path__, "sync_server."):
        if domain.ispkg and importlib.util.find_spec(f"{domain.name}.models") is not None:
            importlib.import_module(f"{domain.name}.models")
    return Base.metadata
