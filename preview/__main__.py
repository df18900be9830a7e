"""Start one stand-in engine: `python -m preview cosyvoice …` or `python -m preview duix …`."""

import sys
from importlib import import_module

# Imported on demand: each engine's image holds only what that engine needs.
ENGINES = {"cosyvoice": "preview.cosyvoice_server", "duix": "preview.duix.server"}


def main(argv: list[str]) -> int:
    """Pass the remaining arguments to the engine named first; return its exit status."""
    if not argv or argv[0] not in ENGINES:
        names = " | ".join(ENGINES)
        sys.stderr.write(f"usage: python -m preview {{{names}}} [options]; `--help` after the name lists them\n")
        return 0 if argv and argv[0] in ("-h", "--help") else 2
    return int(import_module(ENGINES[argv[0]]).main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
