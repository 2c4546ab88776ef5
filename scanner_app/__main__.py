"""`python -m scanner_app` is the same as `zeraket-gate`."""

import sys

from scanner_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
