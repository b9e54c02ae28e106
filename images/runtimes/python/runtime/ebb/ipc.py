# SPDX-License-Identifier: Apache-2.0
"""Messages to ebb-ipc: JSON ended by a NUL, on the unix socket that EBB_IPC_PATH names. A lost connection is made
again, and messages that still hold true (started, holds, retire) are sent again on the new one."""
import json
import os
import socket
import threading
import time

RETRY_MIN_S, RETRY_MAX_S = 0.05, 5.0
ENDS_KEPT_MAX = 1000  # ends to be told after a reconnection; a hold ends by its deadline anyway
SEND_TIMEOUT_S = 1.0


class Ipc:
    def __init__(self, path):
        self._path = path
        self._lock = threading.Lock()
        self._lasting = {}
        self._ends = []
        self._socket = None
        self.available = bool(path)
        if path:
            self._connect()
            threading.Thread(target=self._watch, name="ebb-ipc", daemon=True).start()

    def _connect(self):
        """Connects. True if that worked; then the messages that still hold true have been sent again."""
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(self._path)
            found.settimeout(SEND_TIMEOUT_S)
            with self._lock:
                for message in [*self._lasting.values(), *self._ends]:
                    found.sendall(message)
                self._ends, self._socket = [], found
        except OSError:
            found.close()
            return False
        return True

    def _watch(self):
        """Waits for the end of the connection and makes a new one; sleeps while the connection lasts."""
        retry_s = RETRY_MIN_S
        while True:
            if self._socket is not None:
                self._wait_for_end(self._socket)
                retry_s = RETRY_MIN_S
            if not self._connect():
                time.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MAX_S)

    def _wait_for_end(self, found):
        reader = socket.socket(fileno=os.dup(found.fileno()))  # with no timeout of its own, unlike found
        with reader:
            os.set_blocking(reader.fileno(), True)
            reader.settimeout(None)
            try:
                while reader.recv(4096):
                    pass
            except OSError:
                pass
        with self._lock:
            self._socket = None
        found.close()

    def _say(self, message):
        """Sends a message; called with the lock held. False if it was not sent."""
        if self._socket is None:
            return False
        try:
            self._socket.sendall(message)
            return True
        except OSError:
            # A part of the message may have been sent, so the connection ends: _watch makes a new one.
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket = None
            return False

    def _keep(self, key, kind, payload):
        message = encode(kind, payload)
        with self._lock:
            self._lasting[key] = message
            self._say(message)

    def started(self, init_ms, port):
        self._keep("started", "server-started", {"initDuration": init_ms, "httpPort": port})

    def hold(self, ident, deadline):
        self._keep(ident, "hold", {"context": {"invocationId": ident},
                                   "deadline": deadline and int(deadline * 1000)})

    def end(self, ident, error=None):
        message = encode("end", {"context": {"invocationId": ident},
                                 "error": error and {"message": error}})
        with self._lock:
            self._lasting.pop(ident, None)
            if not self._say(message) and len(self._ends) < ENDS_KEPT_MAX:
                self._ends.append(message)

    def retire(self, reason):
        self._keep("retire", "retire", {"reason": reason})


def encode(kind, payload):
    return json.dumps({"type": kind, "payload": payload}).encode() + b"\0"


channel = Ipc(os.environ.get("EBB_IPC_PATH") or os.environ.get("VERCEL_IPC_PATH"))
