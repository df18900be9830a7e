"""nginx and HAProxy in front of the engine, and nginx as a file store, configured as their manuals advise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import needs
from bench.processes import running
from tests.support.servers import Server, free_port

NGINX = """\
daemon off;
user root;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  {upstream}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    {location}
  }}
}}
"""
UPSTREAM = "upstream engine {{ server 127.0.0.1:{engine}; keepalive 512; keepalive_requests 1000000; }}"
PROXY = """\
location / {
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }"""
STORE = """\
client_max_body_size 0;
    location / {{ root {store}; dav_methods PUT; }}"""

HAPROXY = """\
global
  maxconn 4096
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend entry
  bind 127.0.0.1:{port}
  default_backend engine
backend engine
  server engine 127.0.0.1:{engine}
"""


def _nginx(folder: Path, port: int, upstream: str, location: str) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, location=location), encoding="utf-8")
    return [needs.program("nginx"), "-c", str(file), "-e", str(folder / "error.log")]


@contextmanager
def nginx_proxy(folder: Path, engine: int) -> Iterator[Server]:
    """nginx without buffering, with kept connections to the engine."""
    port = free_port()
    command = _nginx(folder, port, UPSTREAM.format(engine=engine), PROXY)
    with running("nginx", command, port, folder, probe="/health") as server:
        yield server


@contextmanager
def nginx_store(folder: Path, store: Path) -> Iterator[Server]:
    """nginx that receives files by PUT and sends them by GET; both on one file system, so that it renames."""
    port = free_port()
    command = _nginx(folder, port, "", STORE.format(store=store))
    with running("nginx", command, port, folder) as server:
        yield server


@contextmanager
def haproxy(folder: Path, engine: int) -> Iterator[Server]:
    """HAProxy that passes pieces on at once."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(port=port, engine=engine), encoding="utf-8")
    command = [needs.program("haproxy"), "-db", "-f", str(file)]
    with running("haproxy", command, port, folder, probe="/health") as server:
        yield server
