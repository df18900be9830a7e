"""Run inside the engine's container: wait until its health says something new, print it as JSON.

Arguments: the state and the percent known so far, the step in percent that counts as new, the shortest and the longest
wait in seconds. An engine that is ready or has failed ends the wait at once.
"""

import json
import sys
import time
import urllib.request

FINAL = ("ready", "failed")

known = sys.argv[1]
percent, step, shortest, longest = map(float, sys.argv[2:6])
# The container's environment may name a proxy, which is not for the container itself.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
began = time.monotonic()
health = {"state": "unreachable"}
while True:
    try:
        with opener.open("http://127.0.0.1:50000/health", timeout=10) as answer:
            health = json.load(answer)
    except OSError:
        health = {"state": "unreachable"}
    arrived = (health.get("download") or {}).get("percent") or 0.0
    waited = time.monotonic() - began
    new = health["state"] != known or arrived >= percent + step
    if health["state"] in FINAL or (new and waited >= shortest) or waited >= longest:
        break
    time.sleep(1)
print(json.dumps(health))
