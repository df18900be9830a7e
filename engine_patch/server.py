"""CosyVoice's HTTP server; the program is the package `cosyvoice_server` beside this file.

`make engine-server` packs both into one file.
"""

from cosyvoice_server.main import main

if __name__ == "__main__":
    main()
