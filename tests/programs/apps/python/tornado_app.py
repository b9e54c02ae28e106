# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import signal

import tornado.web

import timers


class Hello(tornado.web.RequestHandler):
    def get(self, n):
        self.write(f"hello {n} from tornado")


class Timer(tornado.web.RequestHandler):
    def get(self, ms):
        self.write(timers.by_loop(int(ms)))


class Echo(tornado.web.RequestHandler):
    def post(self):
        self.write(self.request.body)


async def main():
    app = tornado.web.Application([(r"/hello/(\d+)", Hello), (r"/timer/(\d+)", Timer), (r"/echo", Echo)])
    app.listen(int(os.environ["PORT"]))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


asyncio.run(main())
