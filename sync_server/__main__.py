"""`python -m sync_server` is `zeraket-server`."""

from sync_server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
