"""A long life in short: both entries, their engines and their clients for simulated hours, with faults."""
