# SPDX-License-Identifier: Apache-2.0
"""Subscribers of Python: PostgreSQL LISTEN by asyncpg, by psycopg2 in a thread that waits in select(2), and by psycopg,
which waits itself. GET /KIND begins to listen; GET /KIND/seen says which messages came, in their order, and when (ms of
the wall clock)."""
import select
import threading
import time

import clients

seen = []


def note(text):
    seen.append([int(text), time.time() * 1000])


@clients.awaited
async def asyncpg():
    import asyncpg as driver
    asyncpg.kept = await driver.connect(clients.DATABASE_URL)
    await asyncpg.kept.add_listener("asyncpg", lambda _, pid, channel, text: note(text))


def hear(connection):
    while True:
        select.select([connection], [], [])
        connection.poll()
        while connection.notifies:
            note(connection.notifies.pop(0).payload)


def psycopg2():
    import psycopg2 as driver
    connection = driver.connect(clients.DATABASE_URL)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("listen psycopg2")
    threading.Thread(target=hear, args=(connection,), daemon=True).start()


def psycopg():
    clients.libpq_is_beside()
    import psycopg as driver
    connection = driver.connect(clients.DATABASE_URL, autocommit=True)
    connection.execute("listen psycopg")
    threading.Thread(target=lambda: [note(said.payload) for said in connection.notifies()], daemon=True).start()


def seen_so_far():
    return seen


BEGIN = {"asyncpg": asyncpg, "psycopg2": psycopg2, "psycopg": psycopg}
KINDS = {**BEGIN, **{kind + "/seen": seen_so_far for kind in BEGIN}}

if __name__ == "__main__":
    clients.serve(KINDS)
