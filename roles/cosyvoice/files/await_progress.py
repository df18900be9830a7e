"""Run inside the engine's container: wait until its health says something new, print it as JSON.

Arguments: the state and the percent known so far, the step in percent that counts as new, the longest wait in seconds.
"""

import json
import sys
import time
import urllib.request

state, percent, step, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
deadline = time.monotonic() + seconds
health = {"state": "unreachable"}
while True:
    try:
        with urllib.request.urlopen("http://127.0.0.1:50000/health", timeout=10) as answer:
            health = json.load(answer)
    except OSError:
        health = {"state": "unreachable"}
    arrived = (health.get("download") or {}).get("percent") or 0.0
    if health["state"] != state or arrived >= percent + step or time.monotonic() > deadline:
        break
    time.sleep(1)
print(json.dumps(health))
