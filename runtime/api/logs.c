// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/loop.h"
#include "runtime/api/request.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define FOLLOWERS_MAX     64
#define BACKLOG_BYTES_MAX (4u << 20)

struct follower {
	struct request *rq; /* NULL: free */
	bool json;
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE]; /* "" = all */
};

struct log_pipe {
	struct loop_source source; /* owns the descriptor */
	struct logs *logs;
	struct log_pipe *next;
	bool failing; /* writing failed, and it was said */
	char service[SERVICE_NAME_SIZE];
	char instance[INSTANCE_ID_SIZE];
	size_t used; /* of a line not yet ended */
	char line[LOG_LINE_MAX];
};

struct logs {
	struct loop *loop;
	int dir_fd; /* borrowed */
	struct log_pipe *pipes;
	struct follower followers[FOLLOWERS_MAX];
};

int logs_new(struct loop *loop, int log_dir_fd, struct logs **out)
{
	struct logs *logs = calloc(1, sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	logs->loop = loop;
	logs->dir_fd = log_dir_fd;
	*out = logs;
	return 0;
}

static void pipe_free(struct log_pipe *p)
{
	loop_remove(p->logs->loop, &p->source);
	fd_close(&p->source.fd);
	free(p);
}

void logs_free(struct logs *logs)
{
	if (!logs)
		return;
	while (logs->pipes) {
		struct log_pipe *p = logs->pipes;

		logs->pipes = p->next;
		pipe_free(p);
	}
	free(logs);
}

int logs_dir_fd(const struct logs *logs)
{
	return logs->dir_fd;
}

bool logs_is_live(const struct logs *logs, const char *instance)
{
	for (const struct log_pipe *p = logs->pipes; p; p = p->next)
		if (strcmp(p->instance, instance) == 0)
			return true;
	return false;
}

/* ---- lines ---- */

int log_line_format(struct buffer *out, const char *instance, const char *line, size_t size,
		    bool json)
{
	int time_size = size > LOG_TIME_CHARS ? LOG_TIME_CHARS : (int)size;
	size_t text_at = size > LOG_TIME_CHARS ? LOG_TIME_CHARS + 1 : size;
	char when[LOG_TIME_CHARS + 1];
	SCOPED_MEM char *text = NULL;
	struct json_out o;
	int r;

	if (!json) {
		r = buffer_printf(out, "%.*s %s ", time_size, line, instance);
		if (r == 0)
			r = buffer_add(out, line + text_at, size - text_at);
		return r == 0 ? buffer_add(out, "\n", 1) : r;
	}
	text = strndup(line + text_at, size - text_at);
	if (!text)
		return -ENOMEM;
	snprintf(when, sizeof(when), "%.*s", time_size, line);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "time", when);
	json_out_string(&o, "instance", instance);
	json_out_string(&o, "line", text);
	json_out_end_object(&o);
	r = o.failed ? -ENOMEM : buffer_add(out, o.text, o.length);
	json_out_fini(&o);
	return r == 0 ? buffer_add(out, "\n", 1) : r;
}

static bool wants(const struct follower *f, const struct log_pipe *p)
{
	return f->rq && strcmp(f->service, p->service) == 0 &&
	       (!*f->instance || strcmp(f->instance, p->instance) == 0);
}

/* lines: whole ones, "TIME TEXT\n" each. */
static void tell_follower(struct follower *f, const struct log_pipe *p, const char *lines,
			  size_t size)
{
	struct buffer out = {0};
	int r = 0;

	while (size > 0 && r == 0) {
		const char *end = memchr(lines, '\n', size);
		size_t n = (size_t)(end - lines);

		r = log_line_format(&out, p->instance, lines, n, f->json);
		lines += n + 1;
		size -= n + 1;
	}
	if (r < 0 || stream_backlog(f->rq) > BACKLOG_BYTES_MAX)
		stream_abort(f->rq);
	else
		stream_send(f->rq, buffer_at(&out), out.size);
	buffer_fini(&out);
}

static void deliver(struct log_pipe *p, const struct buffer *lines)
{
	struct logs *logs = p->logs;
	int r;

	if (lines->size == 0)
		return;
	r = log_append(logs->dir_fd, p->service, p->instance, buffer_at(lines), lines->size);
	if (r < 0 && !p->failing)
		log_warn("event=log_write_failed instance=%s err=\"%s\"", p->instance,
			 strerror(-r));
	p->failing = r < 0;
	for (size_t i = 0; i < FOLLOWERS_MAX; i++)
		if (wants(&logs->followers[i], p))
			tell_follower(&logs->followers[i], p, buffer_at(lines), lines->size);
}

static int end_line(struct log_pipe *p, const char *when, struct buffer *lines)
{
	int r = buffer_printf(lines, "%s ", when);

	if (r == 0)
		r = buffer_add(lines, p->line, p->used);
	p->used = 0;
	return r == 0 ? buffer_add(lines, "\n", 1) : r;
}

/* Cuts what came into lines; without memory the rest of it is lost. */
static void take_bytes(struct log_pipe *p, const char *bytes, size_t size)
{
	struct buffer lines = {0};
	char when[28];
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
		if (end || !fits)
			r = end_line(p, when, &lines);
		n += end && fits;
		bytes += n;
		size -= n;
	}
	deliver(p, &lines);
	buffer_fini(&lines);
}

static void pipe_ended(struct log_pipe *p)
{
	struct log_pipe **at = &p->logs->pipes;

	if (p->used > 0)
		take_bytes(p, "\n", 1);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	pipe_free(p);
}

static void on_pipe(struct loop_source *source, uint32_t events)
{
	struct log_pipe *p = container_of(source, struct log_pipe, source);
	char bytes[65536];
	ssize_t n = read(source->fd, bytes, sizeof(bytes));

	(void)events;
	if (n > 0)
		take_bytes(p, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		pipe_ended(p);
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
	p->source = (struct loop_source){.fd = pipe_fd, .ready = on_pipe};
	r = text_copy(p->service, sizeof(p->service), service);
	if (r == 0)
		r = text_copy(p->instance, sizeof(p->instance), instance);
	if (r == 0 && (flags < 0 || fcntl(pipe_fd, F_SETFL, flags | O_NONBLOCK) < 0))
		r = -errno;
	if (r == 0)
		r = loop_add(logs->loop, &p->source, EPOLLIN);
	if (r < 0) {
		pipe_free(p);
		return r;
	}
	p->next = logs->pipes;
	logs->pipes = p;
	log_prune(logs, service);
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

int logs_follow(struct logs *logs, struct request *rq, const char *service, const char *instance,
		bool json)
{
	struct follower *f = free_place(logs);

	if (!f)
		return -ENOSPC;
	*f = (struct follower){.rq = rq, .json = json};
	must(text_copy(f->service, sizeof(f->service), service) == 0);
	must(!instance || text_copy(f->instance, sizeof(f->instance), instance) == 0);
	return 0;
}

void logs_forget(struct logs *logs, const struct request *rq)
{
	for (size_t i = 0; i < FOLLOWERS_MAX; i++)
		if (logs->followers[i].rq == rq)
			logs->followers[i].rq = NULL;
}
