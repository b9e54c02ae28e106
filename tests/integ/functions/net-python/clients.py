# SPDX-License-Identifier: Apache-2.0
"""Drivers of Python, each as its guide uses it: GET /NAME does some work on the server behind it and says what came
back. Pools and clients live as long as the program, which listens on $PORT itself, so it runs under ebb and plainly."""
import asyncio
import ctypes.util
import functools
import http.server
import json
import os
import socket
import threading

QUERY = "select pg_backend_pid(), (select count(*)::int from generate_series(1, 1000))"
POOL = 4
LOOP = asyncio.new_event_loop()
DATABASE_URL = os.environ.get("DATABASE_URL")


def awaited(work):
    """A coroutine function, for the threads of the server."""
    @functools.wraps(work)
    def call():
        return asyncio.run_coroutine_threadsafe(work(), LOOP).result(30)
    return call


def once(make):
    """The value of make(), which is called once."""
    lock = threading.Lock()
    kept = []

    def get():
        with lock:
            if not kept:
                kept.append(make())
            return kept[0]
    return get


async def asyncpg_pool():
    import asyncpg
    return await asyncpg.create_pool(DATABASE_URL, min_size=1, max_size=POOL, max_inactive_connection_lifetime=0)


asyncpg_kept = []
asyncpg_lock = asyncio.Lock()


@awaited
async def asyncpg():
    async with asyncpg_lock:
        if not asyncpg_kept:
            asyncpg_kept.append(await asyncpg_pool())
    async with asyncpg_kept[0].acquire() as connection, connection.transaction():
        pid, count = await connection.fetchrow(QUERY)
    return {"connection": pid, "count": count}


@once
def psycopg2_pool():
    import psycopg2.pool
    return psycopg2.pool.ThreadedConnectionPool(1, POOL, DATABASE_URL)


psycopg2_places = threading.BoundedSemaphore(POOL)  # its pool has an error for the next one


def psycopg2():
    with psycopg2_places:
        pool = psycopg2_pool()
        connection = pool.getconn()
        broken = True
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(QUERY)
                pid, count = cursor.fetchone()
            broken = False
        finally:
            pool.putconn(connection, close=broken)
    return {"connection": pid, "count": count}


def libpq_is_beside():
    """Without its part in C, psycopg asks ldconfig(8) where libpq is, which knows nothing of LD_LIBRARY_PATH."""
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: "libpq.so.5" if name == "pq" else find(name)


@once
def psycopg_pool():
    libpq_is_beside()
    import psycopg_pool
    pool = psycopg_pool.ConnectionPool(DATABASE_URL, min_size=1, max_size=POOL, timeout=20)
    pool.wait()  # otherwise it makes a second connection for who waits for the first
    return pool


def psycopg():
    with psycopg_pool().connection() as connection:
        pid, count = connection.execute(QUERY).fetchone()
    return {"connection": pid, "count": count}


@once
def httpx_client():
    import httpx
    return httpx.Client()


@once
def requests_session():
    import requests
    return requests.Session()


def httpx():
    answer = httpx_client().get(os.environ["API_URL"] + "/hello")
    return {"status": answer.status_code, "text": answer.text}


def requests():
    answer = requests_session().get(os.environ["API_URL"] + "/hello", timeout=20)
    return {"status": answer.status_code, "text": answer.text}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            status, said = 200, self.server.kinds[self.path[1:]]()
        except Exception as error:
            status, said = 502, {"error": f"{type(error).__name__}: {error}"}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        super().server_bind()


def serve(kinds):
    """kinds: {path: a function that returns the answer}."""
    threading.Thread(target=LOOP.run_forever, daemon=True).start()
    with Server(("127.0.0.1", int(os.environ["PORT"])), Handler) as server:
        server.kinds = kinds
        print("listens", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve({"asyncpg": asyncpg, "psycopg2": psycopg2, "psycopg": psycopg, "httpx": httpx, "requests": requests})
