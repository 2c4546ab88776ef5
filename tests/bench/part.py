"""Measures one part in this process and prints its result as one JSON line."""

import importlib
import inspect
import json
import sys


def main() -> None:
    name, *flags = sys.argv[1:]
    measure = importlib.import_module(f"tests.bench.{name}").measure
    if "quick" in inspect.signature(measure).parameters:
        result = measure(quick="--quick" in flags)
    else:
        result = measure()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
