"""The bound: nginx, which passes calls on and looks at nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.gateway import cpu
from benchmarks.gateway.load import Door
from benchmarks.gateway.servers import (
    Absent,
    Place,
    Server,
    answers,
    dev,
    free_port,
    started,
    wait_for,
)

NAME = "nginx"
SETTINGS = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    upstream mock {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_time 10h;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@contextmanager
def serve(place: Place) -> Iterator[Server]:
    if not dev().provide({"nginx": "nginx-light"}):
        raise Absent("not installed; Debian's package is nginx-light")
    port = free_port()
    file = place.folder / "nginx.conf"
    file.write_text(SETTINGS.format(folder=place.folder, upstream=place.upstream, port=port))
    with started(["nginx", "-c", file, "-p", place.folder], place) as process:
        wait_for(lambda: answers(port), process, place)
        yield Server(NAME, Door(port), cpu.family(process.pid))
