"""One case a module, each with ``measure(context)`` that returns its figures."""
