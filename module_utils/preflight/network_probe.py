# SPDX-License-Identifier: Apache-2.0
"""Asking addresses from the host, through the proxy and with the authorities that the deployment will use."""

from __future__ import annotations

import concurrent.futures
import os
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Tuple

from ..apt_probe import archive_uris
from .model import Probe, Source


class Network:
    """Asks addresses; `params` are those of the module host_survey (proxies, authorities, timeout in seconds)."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.timeout = params["timeout"]
        proxies = {name: params[name + "_proxy"] for name in ("http", "https") if params[name + "_proxy"]}
        os.environ["no_proxy"] = params["no_proxy"] or os.environ.get("no_proxy", "")
        context = ssl.create_default_context()
        if params["ca_certificates"]:
            context.load_verify_locations(cadata=params["ca_certificates"])
        handlers: List[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
        if proxies:
            handlers.append(urllib.request.ProxyHandler(proxies))
        self.opener = urllib.request.build_opener(*handlers)
        self.opener.addheaders = [("User-Agent", "twinport-preflight")]

    def ask(self, url: str) -> Probe:
        """Check one address; any HTTP answer below 500 counts: a registry sends 401, a mirror's root may be 404."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "file":
            return Probe(url, 0, "" if Path(parts.path).exists() else "no such folder")
        started = time.monotonic()
        problem = self._problem(url)
        return Probe(url, int((time.monotonic() - started) * 1000), problem)

    def ask_all(self, sources: Sequence[Mapping[str, Any]]) -> Tuple[Source, ...]:
        """Check all sources at once, each address in its own thread."""
        urls = [url for source in sources for url in source["urls"]]
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(urls))) as pool:
            probes = {probe.url: probe for probe in pool.map(self.ask, urls)}
        return tuple(
            Source(
                source["name"], tuple(probes[url] for url in source["urls"]), bool(source["required"]), source["cure"]
            )
            for source in sources
            if source["urls"]
        )

    def _problem(self, url: str) -> str:
        """Why an address does not answer, "" where it does."""
        try:
            with self.opener.open(url, timeout=self.timeout):
                return ""
        except urllib.error.HTTPError as error:
            return "" if error.code < 500 else "HTTP {0}".format(error.code)
        except urllib.error.URLError as error:
            return _reason(error.reason)
        except (OSError, ValueError) as error:
            return _reason(error)


def archives_resolve(sources: Sequence[Source]) -> bool:
    """Whether a name of the host's package archives is resolved; asked only where none of ``sources`` is."""
    if any(probe.problem != "name not found" for source in sources for probe in source.probes):
        return False
    names = {urllib.parse.urlsplit(uri).hostname for uri in archive_uris()}
    return any(_resolves(name) for name in names if name)


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 80))
    except OSError:
        return False


def _reason(error: object) -> str:
    if isinstance(error, socket.gaierror):
        return "name not found"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted ({0}); is it a proxy's? set twinport_extra_ca_certificates".format(
            error.verify_message
        )
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "no answer in time"
    return str(error) or type(error).__name__
