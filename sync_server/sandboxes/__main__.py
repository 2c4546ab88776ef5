"""`python -m sync_server.sandboxes NAME` is `zeraket-server sandbox NAME` without the server beside
it: whoever starts several at once waits a quarter as long.
"""

import argparse
import sys

from sync_server.sandboxes.commands import add_arguments, serve
from sync_server.settings import UnsafeSettingsError, read_settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sync_server.sandboxes")
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        serve(read_settings(), arguments, _say_at_once)
    except UnsafeSettingsError as error:
        parser.error("; ".join(map(str, error.faults)))
    except OSError as error:
        parser.error(f"port {arguments.port} cannot be listened on: {error.strerror}")


def _say_at_once(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
