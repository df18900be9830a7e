"""A stand-in for tests: WeTextProcessing's interface to the rules of `wetext`."""
