// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * A function in C against ebb.h: one thread, many requests at once, on the instance's restricted
 * io_uring ("ioUring" in ebb.json) or on epoll.
 *
 *   /              hello
 *   /sleep?ms=N    answers after N ms without using the CPU
 *   /burn?ms=N     uses the CPU for N ms
 *   /echo          streams the request's body back
 *   /size?bytes=N  streams N bytes
 *   /later?ms=N    answers at once, and works on for N ms (waitUntil)
 */
/* clang-format on */
#include <ebb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE EBB_PIECE_MAX

static int say(struct ebb_request *rq, const char *text)
{
	return ebb_respond(rq, 200, "text/plain", text, strlen(text));
}

static int hello(struct ebb_request *rq)
{
	ebb_log(rq, "hello to %s", ebb_path(rq));
	return say(rq, "hello from the ring\n");
}

/* ---- waiting: the request sleeps, the thread does not ---- */

static void slept(struct ebb_request *rq, void *ctx)
{
	say(rq, "slept\n");
}

static void cancelled(struct ebb_request *rq, void *ctx)
{
	ebb_log(rq, "the client of %s went away", ebb_path(rq));
}

static int sleep_ms(struct ebb_request *rq)
{
	ebb_on_cancel(rq, cancelled, NULL);
	ebb_sleep(rq, ebb_query_number(rq, "ms", 0), slept, NULL);
	return 0;
}

static uint64_t now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int burn(struct ebb_request *rq)
{
	uint64_t before = now_us(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t until = now_us(CLOCK_MONOTONIC) + ebb_query_number(rq, "ms", 0) * 1000;
	char text[64];

	while (now_us(CLOCK_MONOTONIC) < until)
		;
	snprintf(text, sizeof(text), "{\"cpu_us\":%llu}\n",
		 (unsigned long long)(now_us(CLOCK_PROCESS_CPUTIME_ID) - before));
	return ebb_respond(rq, 200, "application/json", text, strlen(text));
}

/* ---- streaming: the body is read no faster than the client takes the answer ---- */

struct echo {
	size_t left;
	char bytes[PIECE];
	int ended;
};

static void echo_on(struct ebb_request *rq, void *ctx)
{
	struct echo *echo = ctx;
	long n = ebb_write(rq, echo->bytes, echo->left);

	if (n > 0) {
		echo->left -= (size_t)n;
		memmove(echo->bytes, echo->bytes + n, echo->left);
	}
	if (echo->left > 0)
		return; /* on_writable calls again */
	if (echo->ended) {
		free(echo);
		ebb_end(rq);
	} else {
		ebb_body_resume(rq);
	}
}

static void echo_piece(struct ebb_request *rq, const char *data, size_t size, void *ctx)
{
	struct echo *echo = ctx;

	memcpy(echo->bytes, data, size);
	echo->left = size;
	echo->ended = size == 0;
	ebb_body_pause(rq);
	echo_on(rq, echo);
}

static void echo_gone(struct ebb_request *rq, void *ctx)
{
	free(ctx);
}

static int echo(struct ebb_request *rq)
{
	struct echo *echo = calloc(1, sizeof(*echo));

	if (!echo)
		return -1;
	ebb_on_cancel(rq, echo_gone, echo);
	ebb_on_writable(rq, echo_on, echo);
	if (ebb_begin(rq, 200, "application/octet-stream", ebb_body_length(rq)) < 0) {
		free(echo);
		return -1;
	}
	return ebb_body_read(rq, echo_piece, echo);
}

static void size_on(struct ebb_request *rq, void *ctx)
{
	static const char bytes[PIECE] = {0};
	uint64_t *left = ebb_scratch(rq);
	long n = 1;

	while (*left > 0 && n > 0) {
		n = ebb_write(rq, bytes, *left < PIECE ? *left : PIECE);
		if (n > 0)
			*left -= (uint64_t)n;
	}
	if (*left == 0)
		ebb_end(rq);
}

static int size(struct ebb_request *rq)
{
	uint64_t bytes = ebb_query_number(rq, "bytes", 0);

	*(uint64_t *)ebb_scratch(rq) = bytes;
	ebb_on_writable(rq, size_on, NULL);
	return ebb_begin(rq, 200, "application/octet-stream", (int64_t)bytes);
}

/* ---- work behind the answer ---- */

struct later {
	struct ebb_timer timer;
	struct ebb_work *work;
};

static void later_due(struct ebb_timer *t)
{
	struct later *later = t->ctx;

	ebb_work_log(later->work, "done, long after the answer");
	ebb_wait_until_end(later->work);
	free(later);
}

static int later(struct ebb_request *rq)
{
	struct later *later = calloc(1, sizeof(*later));

	if (!later || !(later->work = ebb_wait_until_begin(rq))) {
		free(later);
		return -1;
	}
	later->timer = (struct ebb_timer){.on_due = later_due, .ctx = later};
	ebb_timer_set(ebb_loop(rq), &later->timer, ebb_query_number(rq, "ms", 0));
	return say(rq, "working on\n");
}

static int on_request(struct ebb_request *rq, void *ctx)
{
	static const struct {
		const char *path;
		int (*run)(struct ebb_request *rq);
	} routes[] = {{"/", hello},    {"/sleep", sleep_ms}, {"/burn", burn},
		      {"/echo", echo}, {"/size", size},      {"/later", later}};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, ebb_path(rq)) == 0)
			return routes[i].run(rq);
	return ebb_respond(rq, 404, "text/plain", "no such path\n", 13);
}

int main(void)
{
	return ebb_serve(on_request, NULL) < 0;
}
