"""One case per module, each with ``measure(context)`` that returns its figures."""
