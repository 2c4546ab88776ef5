import argparse

import pytest

from sync_server.sandboxes import commands
from sync_server.settings import Environment, Settings, UnsafeSettingsError


def _arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", ["pesapal", "flutterwave"])
def test_a_sandbox_with_a_page_refuses_to_start_in_production(name: str) -> None:
    said: list[str] = []
    settings = Settings(environment=Environment.PRODUCTION)
    with pytest.raises(UnsafeSettingsError, match="development only"):
        commands.serve(settings, _arguments_of(name, "--port", "0"), said.append)
    assert said == []
