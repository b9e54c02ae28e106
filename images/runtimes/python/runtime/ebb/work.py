# SPDX-License-Identifier: Apache-2.0
"""wait_until for coroutines, tasks, futures and functions, and request contexts that follow work into threads."""
import asyncio
import concurrent.futures
import contextvars
import inspect
import threading

from ebb.request import current


def wait_until(work):
    request = current()
    if request is None:
        raise RuntimeError("wait_until: no request is being served here")
    future = as_future(work, request.loop)
    if not request.begin(future):
        print("ebb: wait_until: after the deadline, cancelled")
        future.cancel()
        return
    future.add_done_callback(lambda done: finished(request, done))


def finished(request, future):
    error = None if future.cancelled() else future.exception()
    if error is not None:
        request.fail(error, "wait_until of request")
    request.done(future)


def as_future(work, loop):
    if isinstance(work, (asyncio.Future, concurrent.futures.Future)):
        return work
    if inspect.isawaitable(work):
        return from_awaitable(work, loop)
    if callable(work):
        return in_thread(work)
    raise TypeError(f"wait_until: a coroutine, future or function, not {type(work).__name__}")


def from_awaitable(work, loop):
    async def wait():
        return await work

    try:
        asyncio.get_running_loop()
        return asyncio.ensure_future(wait())
    except RuntimeError:
        pass
    if loop is not None:  # a worker thread of an asynchronous server
        return asyncio.run_coroutine_threadsafe(wait(), loop)
    return in_thread(lambda: asyncio.run(wait()))


def in_thread(function):
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function())
        except concurrent.futures.InvalidStateError:
            pass  # cut at the deadline
        except BaseException as error:  # goes to the holder of the future
            if not future.cancelled():
                future.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=lambda: context.run(run), daemon=True).start()
    return future


def _in_context(context, run):
    """Wraps the run of a thread that a request starts, so that its errors belong to that request."""
    def attempt():
        try:
            run()
        except SystemExit:
            pass
        except BaseException as error:
            request = current()
            if request is None:
                raise
            request.fail(error, "thread of request")

    return lambda: context.run(attempt)


def follow_into_threads():
    """Makes threads and executors keep the context of the request that started them, which Python does not do."""
    start, submit = threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit

    def start_in_context(self):
        if current() is not None:
            self.run = _in_context(contextvars.copy_context(), self.run)
        start(self)

    def submit_in_context(self, function, /, *args, **kwargs):
        # The context is set also outside of a request, because an earlier request may have started the thread.
        context = contextvars.copy_context()
        return submit(self, context.run, function, *args, **kwargs)

    threading.Thread.start = start_in_context
    concurrent.futures.ThreadPoolExecutor.submit = submit_in_context
