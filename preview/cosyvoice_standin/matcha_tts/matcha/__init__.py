"""Stand-in for Matcha-TTS: it is only imported, never called."""
