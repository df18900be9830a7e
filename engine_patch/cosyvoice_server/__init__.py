"""CosyVoice's HTTP server, in the place of `runtime/python/fastapi/server.py`.

Same routes, form fields and raw PCM answers as the file that it replaces, so that CosyVoice's own `client.py` works
unchanged. It listens at once and loads the model in the background, works with every generation of the `cosyvoice`
package, answers bad requests with sentences, never ends a stream early without an error, and keeps registered voices.
`docs/engine-api.md` describes the interface.

Runs under Python 3.8 to 3.12 with FastAPI 0.111 or later and nothing that the engine's image lacks. All settings come
from the environment (prefix `COSYVOICE_`) and from upstream's two options, `--port` and `--model_dir`.
"""
