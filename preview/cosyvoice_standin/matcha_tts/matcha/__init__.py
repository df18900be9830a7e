"""Stand-in for Matcha-TTS: it is only looked for, never called."""
