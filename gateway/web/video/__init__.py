"""The video entry's routes: the desktop client's contract, and additional ones for developers."""
