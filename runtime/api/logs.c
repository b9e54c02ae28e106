// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/api/log_pace.h"
#include "runtime/api/log_totals.h"
#include "runtime/base/loop.h"
#include "runtime/api/request.h"
#include "runtime/base/chain.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define FOLLOWERS_MAX     64
#define BACKLOG_BYTES_MAX (4u << 20)

struct follower {
	struct request *rq; /* NULL: free */
	bool json;
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE];     /* "" = all */
	char request[LOG_REQUEST_CHARS + 1]; /* "" = all */
};

struct log_pipe {
	struct watch source; /* owns the descriptor */
	struct logs *logs;
	struct chain in_pipes;
	struct log_pace pace;
	struct log_total *total; /* of the service; borrowed */
	struct timer again;      /* due when a pipe that waits or drops is looked at again */
	bool waiting;            /* the loop does not watch the pipe */
	bool failing;            /* writing failed, and it was said */
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE];
	size_t used; /* bytes of `line`, which has not ended yet */
	char line[LOG_LINE_MAX];
};

struct logs {
	struct loop *loop;
	int dir_fd; /* borrowed */
	struct chain pipes;
	struct log_totals *totals;
	struct follower followers[FOLLOWERS_MAX];
};

int logs_new(struct loop *loop, int log_dir_fd, struct logs **out)
{
	struct logs *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	logs->loop = loop;
	logs->dir_fd = log_dir_fd;
	chain_init(&logs->pipes);
	if (log_totals_new(&logs->totals) < 0) {
		free(logs);
		return -ENOMEM;
	}
	*out = logs;
	return 0;
}

static void pipe_free(struct log_pipe *p)
{
	chain_remove(&p->in_pipes);
	loop_timer_off(p->logs->loop, &p->again);
	loop_unwatch(p->logs->loop, &p->source);
	fd_close(&p->source.fd);
	free(p);
}

void logs_free(struct logs *logs)
{
	struct log_pipe *p;

	if (!logs)
		return;
	chain_each(p, &logs->pipes, in_pipes)
		pipe_free(p);
	log_totals_free(logs->totals);
	free(logs);
}

const struct log_totals *logs_totals(const struct logs *logs)
{
	return logs->totals;
}

int logs_dir_fd(const struct logs *logs)
{
	return logs->dir_fd;
}

bool logs_is_live(const void *self, const char *instance)
{
	const struct logs *logs = self;
	const struct log_pipe *p;

	chain_each(p, &logs->pipes, in_pipes)
		if (strcmp(p->instance, instance) == 0)
			return true;
	return false;
}

/* ---- lines ---- */

static bool wants(const struct follower *f, const struct log_pipe *p)
{
	return f->rq && strcmp(f->service, p->service) == 0 &&
	       (!*f->instance || strcmp(f->instance, p->instance) == 0);
}

/* lines: whole ones, "TIME TEXT\n" each. */
static void tell_follower(struct follower *f, const struct log_pipe *p, const char *lines,
			  size_t size)
{
	const char *request = *f->request ? f->request : NULL;
	struct buffer out = {0};
	int r = 0;

	while (size > 0 && r == 0) {
		const char *end = memchr(lines, '\n', size);
		size_t n = (size_t)(end - lines);

		if (log_line_wanted(lines, n, request))
			r = log_line_format(&out, p->instance, lines, n, f->json);
		lines += n + 1;
		size -= n + 1;
	}
	if (r < 0 || stream_backlog(f->rq) > BACKLOG_BYTES_MAX)
		stream_abort(f->rq);
	else if (out.size > 0)
		stream_send(f->rq, buffer_at(&out), out.size);
	buffer_fini(&out);
}

static void deliver(struct log_pipe *p, const struct buffer *lines, uint64_t count)
{
	struct logs *logs = p->logs;
	int r;

	if (lines->size == 0)
		return;
	p->total->lines += count;
	p->total->bytes += lines->size;
	log_pace_wrote(&p->pace, lines->size, count, clock_mono_ns());
	r = log_append(logs->dir_fd, p->service, p->instance, buffer_at(lines), lines->size);
	if (r < 0 && !p->failing)
		log_warn("event=log_write_failed instance=%s err=\"%s\"", p->instance,
			 strerror(-r));
	p->failing = r < 0;
	for (size_t i = 0; i < FOLLOWERS_MAX; i++)
		if (wants(&logs->followers[i], p))
			tell_follower(&logs->followers[i], p, buffer_at(lines), lines->size);
}

/* cut: the line goes on in the next line of the file, which belongs to the same request. */
static int end_line(struct log_pipe *p, const char *when, bool cut, struct buffer *lines)
{
	const char *tag = log_text_request(p->line, p->used);
	int r = buffer_printf(lines, "%s%c", when, cut ? LOG_GOES_ON : ' ');

	if (r == 0)
		r = buffer_add(lines, p->line, p->used);
	p->used = cut && tag ? LOG_TAG_CHARS : 0; /* p->line begins with the tag already */
	return r == 0 ? buffer_add(lines, "\n", 1) : r;
}

/* Cuts the bytes into lines. Without memory the rest of the bytes is lost. */
static void take_bytes(struct log_pipe *p, const char *bytes, size_t size)
{
	struct buffer lines = {0};
	char when[CLOCK_DATE_SIZE];
	uint64_t count = 0;
	int r = 0;

	clock_rfc3339(clock_real_us(), when);
	while (size > 0 && r == 0) {
		const char *end = memchr(bytes, '\n', size);
		size_t n = end ? (size_t)(end - bytes) : size;
		bool fits = n <= sizeof(p->line) - p->used;

		if (!fits)
			n = sizeof(p->line) - p->used;
		memcpy(p->line + p->used, bytes, n);
		p->used += n;
		if (end || !fits) {
			r = end_line(p, when, !fits, &lines);
			count++;
		}
		n += end && fits;
		bytes += n;
		size -= n;
	}
	deliver(p, &lines, count);
	buffer_fini(&lines);
}

/* Says how much was lost, in the log of the instance and in the log of ebb-api. */
static void resume(struct log_pipe *p)
{
	char text[160];
	size_t n;

	log_warn("event=log_lines_dropped instance=%s lines=%llu bytes=%llu", p->instance,
		 (unsigned long long)p->pace.dropped_lines,
		 (unsigned long long)p->pace.dropped_bytes);
	n = log_pace_resume(&p->pace, text, sizeof(text) - 1);
	text[n++] = '\n';
	p->used = 0;
	take_bytes(p, text, n);
}

static void drop_bytes(struct log_pipe *p, const char *bytes, size_t size)
{
	uint64_t before = p->pace.dropped_lines;

	log_pace_drop(&p->pace, bytes, size);
	p->total->dropped_lines += p->pace.dropped_lines - before;
	p->total->dropped_bytes += size;
}

static void hear(struct log_pipe *p, const char *bytes, size_t size)
{
	const char *end;
	size_t n;

	if (p->pace.dropping && !log_pace_may_resume(&p->pace, clock_mono_ns())) {
		drop_bytes(p, bytes, size);
		return;
	}
	if (p->pace.dropping && p->pace.mid_line) { /* the rest of a line that was dropped */
		end = memchr(bytes, '\n', size);
		n = end ? (size_t)(end - bytes) + 1 : size;
		drop_bytes(p, bytes, n);
		bytes += n;
		size -= n;
	}
	if (p->pace.dropping && !p->pace.mid_line)
		resume(p);
	if (size > 0)
		take_bytes(p, bytes, size);
	if (p->pace.dropping && p->used > 0) { /* a line that has begun is dropped too */
		drop_bytes(p, p->line, p->used);
		p->used = 0;
	}
}

/* Stops reading the pipe until due_ns. Without memory for a timer the pipe is read on at once. */
static void wait_until(struct log_pipe *p, uint64_t due_ns)
{
	if (loop_timer_at(p->logs->loop, &p->again, due_ns) < 0)
		return;
	loop_unwatch(p->logs->loop, &p->source);
	p->waiting = true;
}

/* The time has come to look at a pipe that waits or drops. */
static void on_again(struct timer *t)
{
	struct log_pipe *p = container_of(t, struct log_pipe, again);
	uint64_t now_ns = clock_mono_ns();

	if (p->pace.dropping && !p->pace.mid_line && log_pace_may_resume(&p->pace, now_ns))
		resume(p);
	if (p->waiting && loop_watch(p->logs->loop, &p->source, EPOLLIN) == 0)
		p->waiting = false; /* without memory it is tried again */
	if (p->waiting || p->pace.dropping)
		(void)loop_timer_at(p->logs->loop, &p->again, now_ns + LOG_PACE_NS);
}

static void pipe_ended(struct log_pipe *p)
{
	if (p->used > 0)
		take_bytes(p, "\n", 1);
	if (p->pace.dropped_bytes > 0)
		resume(p);
	pipe_free(p);
}

static void on_pipe(struct watch *source, uint32_t events)
{
	struct log_pipe *p = container_of(source, struct log_pipe, source);
	uint64_t begun_ns = clock_thread_ns(), work_ns, due_ns;
	char bytes[65536];
	ssize_t n = read(source->fd, bytes, sizeof(bytes));

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		pipe_ended(p);
		return;
	}
	if (n > 0)
		hear(p, bytes, (size_t)n);
	work_ns = clock_thread_ns() - begun_ns;
	p->total->work_ns += work_ns;
	due_ns = log_pace_worked(&p->pace, work_ns, clock_mono_ns());
	if (due_ns > 0)
		wait_until(p, due_ns);
}

int logs_add_pipe(struct logs *logs, const char *service, const char *instance, int pipe_fd)
{
	struct log_pipe *p = calloc(1, sizeof(*p));
	int flags = fcntl(pipe_fd, F_GETFL), r = -ENOMEM;

	if (!p) {
		fd_close(&pipe_fd);
		return r;
	}
	p->logs = logs;
	p->total = log_totals_of(logs->totals, service);
	log_pace_init(&p->pace);
	chain_init(&p->in_pipes);
	p->again = (struct timer){.on_due = on_again, .name = "logs on_again"};
	p->source = (struct watch){.fd = pipe_fd, .on_ready = on_pipe, .name = "logs on_pipe"};
	r = text_copy(p->service, sizeof(p->service), service);
	if (r == 0)
		r = text_copy(p->instance, sizeof(p->instance), instance);
	if (r == 0 && (flags < 0 || fcntl(pipe_fd, F_SETFL, flags | O_NONBLOCK) < 0))
		r = -errno;
	if (r == 0)
		r = loop_watch(logs->loop, &p->source, EPOLLIN);
	if (r < 0) {
		pipe_free(p);
		return r;
	}
	chain_add_first(&logs->pipes, &p->in_pipes);
	log_prune(logs->dir_fd, service, logs_is_live, logs);
	return 0;
}

/* ---- followers ---- */

static struct follower *free_place(const struct logs *logs)
{
	for (size_t i = 0; i < FOLLOWERS_MAX; i++)
		if (!logs->followers[i].rq)
			return (struct follower *)(uintptr_t)&logs->followers[i];
	return NULL;
}

bool logs_can_follow(const struct logs *logs)
{
	return free_place(logs) != NULL;
}

int logs_follow(struct logs *logs, struct request *rq, const char *service,
		const struct log_wish *wish)
{
	struct follower *f = free_place(logs);

	if (!f)
		return -ENOSPC;
	*f = (struct follower){.rq = rq, .json = wish->json};
	must(text_copy(f->service, sizeof(f->service), service) == 0);
	must(!wish->instance || text_copy(f->instance, sizeof(f->instance), wish->instance) == 0);
	must(!wish->request || text_copy(f->request, sizeof(f->request), wish->request) == 0);
	return 0;
}

void logs_forget(struct logs *logs, const struct request *rq)
{
	for (size_t i = 0; i < FOLLOWERS_MAX; i++)
		if (logs->followers[i].rq == rq)
			logs->followers[i].rq = NULL;
}
