"""A stand-in for the `cosyvoice` package whose model is espeak-ng.

This folder and `matcha_tts` go on `sys.path`, so that `engine_patch/server.py` imports `cosyvoice`, `modelscope` and
`matcha` from here exactly as it imports the real ones in the engine's image.
"""
