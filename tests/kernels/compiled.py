"""Runs a statement and prints, as JSON, how many functions of the kernels Numba compiled and how many it loaded.

python -m tests.kernels.compiled "from kernels.warm import warm; warm()"
"""

import json
import pkgutil
import sys
from importlib import import_module

import kernels


def main() -> None:
    exec(compile(sys.argv[1], "<statement>", "exec"), {})
    compiled: dict[str, list[str]] = {}
    loaded = 0
    for module in pkgutil.iter_modules(kernels.__path__):
        if module.ispkg or f"kernels.{module.name}" not in sys.modules:
            continue
        for name, value in vars(import_module(f"kernels.{module.name}")).items():
            if getattr(value, "__module__", "") == f"kernels.{module.name}" and hasattr(value, "stats"):
                loaded += sum(value.stats.cache_hits.values())
                missed = [str(signature) for signature in value.stats.cache_misses]
                if missed:
                    compiled[f"{module.name}.{name}"] = missed
    sys.stdout.write(json.dumps({"compiled": compiled, "loaded": loaded}) + "\n")


if __name__ == "__main__":
    main()
