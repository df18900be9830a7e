"""The video entry's routes: the desktop client's contract, and what developers get besides."""
