"""`make bench`: finds the project and starts; the work is in report.py."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own folder stands first in the path; the project's modules are two above it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module("tests.bench.report", run_name="__main__")
