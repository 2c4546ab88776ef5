"""What keeps sandboxes of payment providers away from real money."""

from sync_server.settings import SettingFault, Settings, UnsafeSettingsError


def refuse_in_production(settings: Settings) -> None:
    """Raise UnsafeSettingsError where real people pay."""
    if settings.is_production:
        remedy = "a sandbox says that money came when none did; it starts in development only"
        raise UnsafeSettingsError((SettingFault("ZERAKET_ENVIRONMENT", remedy),))
