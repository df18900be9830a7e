"""The classes that a server uses."""
