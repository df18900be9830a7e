# SPDX-License-Identifier: Apache-2.0
"""The two entries, called the way the desktop client calls them (Python 3.8, standard library).

Text fields first, the file last, as application/octet-stream, with an exact Content-Length; 503 means to try again.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import uuid
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional
from urllib.parse import quote, urlsplit

_RETRY_SECONDS = 3.0
# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python has from 3.10 on; OpenSSL's X509_V_FLAG_PARTIAL_CHAIN.
_PARTIAL_CHAIN = 0x80000

# The options of modules that ask the entries; documented in doc_fragments, `twinport.entries` and `twinport.tls`.
TLS_OPTION = {
    "type": "dict",
    "options": {"name": {"type": "str", "required": True}, "certificates": {"type": "str", "default": ""}},
}
ENTRY_OPTIONS = {
    "voice_url": {"type": "str", "required": True},
    "video_url": {"type": "str", "required": True},
    "tls": TLS_OPTION,
    "api_key": {"type": "str", "default": "", "no_log": True},
}


class EntryError(Exception):
    """A call went wrong; the message is a sentence for the report."""


class UnreachableError(EntryError):
    """Nobody answered: `refused` distinguishes a closed port on a reachable host from silence (a firewall)."""

    def __init__(self, message: str, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read whole; `request_id` finds its lines in the gateway's log."""

    status: int
    body: bytes
    request_id: str = ""

    def json(self) -> Dict[str, Any]:
        """Return the body as a JSON object; raises EntryError where it is none."""
        try:
            value = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise EntryError("HTTP %d without JSON: %r" % (self.status, self.body[:120])) from error
        if not isinstance(value, dict):
            raise EntryError("HTTP %d with JSON that is no object: %r" % (self.status, self.body[:120]))
        return value

    def require_ok(self) -> Answer:
        """Return itself; raises EntryError with the entry's own sentence where the status is not 2xx."""
        if 200 <= self.status < 300:
            return self
        try:
            body = self.json()
            sentence = body.get("message") or body.get("error")
        except EntryError:
            sentence = self.body[:200].decode("utf-8", "replace")
        trace = " (request %s)" % self.request_id if self.request_id else ""
        raise EntryError("HTTP %d: %s%s" % (self.status, sentence, trace))


@dataclass(frozen=True)
class Tls:
    """How an entry's certificate is checked.

    Attributes:
        name: name or address that it must be issued for, whatever address is asked.
        certificates: PEM text of certificates that are trusted besides the system's own.
    """

    name: str
    certificates: str = ""

    def context(self) -> ssl.SSLContext:
        """Checks dates, name and chain; raises EntryError where `certificates` can't be read."""
        context = ssl.create_default_context()
        # A certificate that is named itself needs no authority above it.
        context.verify_flags |= _PARTIAL_CHAIN
        try:
            if self.certificates:
                context.load_verify_locations(cadata=self.certificates)
        except ssl.SSLError as error:
            raise EntryError("the certificates to trust can't be read: %s" % error) from error
        return context


class _NamedConnection(http.client.HTTPSConnection):
    """Connects to an address and wants the certificate of a name."""

    def __init__(self, host: str, port: Optional[int], tls: Tls, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls = tls

    def connect(self) -> None:
        """Connect and shake hands."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.context().wrap_socket(self.sock, server_hostname=self._tls.name)


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        url: its base URL, `http://host:port`, or `https://host:port` with `tls`.
        patience: how long a 503 is waited out, in seconds.
    """

    url: str
    api_key: str = ""
    timeout: float = 30.0
    patience: float = 0.0
    tls: Optional[Tls] = None

    def get(self, path: str) -> Answer:
        """GET a path; raises UnreachableError where nobody answers."""
        return self._patiently("GET", path, b"", {})

    def delete(self, path: str) -> Answer:
        """DELETE a path."""
        return self._patiently("DELETE", path, b"", {})

    def post_json(self, path: str, value: Mapping[str, Any]) -> Answer:
        """POST a JSON object."""
        return self._patiently("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def post_file(self, path: str, fields: Mapping[str, str], field: str, name: str, content: bytes) -> Answer:
        """POST a form: text fields, then one file under `field`."""
        boundary = "-" * 26 + uuid.uuid4().hex
        parts = [
            '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, key, value)
            for key, value in fields.items()
        ]
        parts.append(
            '--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n" % (boundary, field, name)
        )
        body = "".join(parts).encode() + content + ("\r\n--%s--\r\n" % boundary).encode()
        return self._patiently("POST", path, body, {"Content-Type": "multipart/form-data; boundary=%s" % boundary})

    def _patiently(self, method: str, path: str, body: bytes, headers: Dict[str, str]) -> Answer:
        deadline = time.monotonic() + self.patience
        while True:
            answer = self._once(method, path, body, headers)
            if answer.status != 503 or time.monotonic() + _RETRY_SECONDS > deadline:
                return answer
            time.sleep(_RETRY_SECONDS)

    def _once(self, method: str, path: str, body: bytes, headers: Dict[str, str]) -> Answer:
        connection = self._connection()
        own = {"Accept-Language": "en"}
        if self.api_key:
            own["X-API-Key"] = self.api_key
        if self.tls:
            own["Host"] = "[%s]" % self.tls.name if ":" in self.tls.name else self.tls.name
        try:
            connection.request(method, path, body or None, {**headers, **own})
            response = connection.getresponse()
            return Answer(response.status, response.read(), response.getheader("X-Request-ID", ""))
        except ssl.SSLCertVerificationError as error:
            raise EntryError("%s: its certificate is not accepted: %s" % (self.url, error.verify_message)) from error
        except ConnectionRefusedError as error:
            raise UnreachableError("%s refuses connections: nothing listens there" % self.url, True) from error
        except socket.timeout as error:
            raise UnreachableError("%s gave no answer within %.0f s" % (self.url, self.timeout), False) from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError("%s: %s" % (self.url, error), False) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self.url)
        host = address.hostname or ""
        if self.tls:
            return _NamedConnection(host, address.port, self.tls, self.timeout)
        return http.client.HTTPConnection(host, address.port, timeout=self.timeout)


def poll(seconds: float, interval: float, attempt: Any) -> Any:
    """Call `attempt` every `interval` seconds until it returns something; None after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found: Optional[Any] = attempt()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(interval)


def query(**values: str) -> str:
    """Return a query string with every value escaped."""
    return "&".join("%s=%s" % (key, quote(value, safe="")) for key, value in values.items())
