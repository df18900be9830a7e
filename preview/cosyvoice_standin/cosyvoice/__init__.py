"""Stand-in for CosyVoice's package: its interface, errors and costs, with espeak-ng as the voice."""
