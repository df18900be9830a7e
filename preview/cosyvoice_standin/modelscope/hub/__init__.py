"""The part of ModelScope that lists a model's files."""
