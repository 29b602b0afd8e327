"""`python -m benchmarks [names]`: run all measurements, or the named ones. A measurement is a module with `main()`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks

SHARED = {"__main__", "harness"}


def main() -> int:
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in SHARED]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        print(f"no such measurement: {', '.join(sorted(unknown))}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    for name in sys.argv[1:] or names:
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
