// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/gateway_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/api/gateway_metrics.h"
#include "runtime/api/logs.h"
#include "runtime/base/loop.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"

#define ACCESS_DIRECTORY "_access" /* no service can be called so */
#define LINES_MAX        65536

struct gateway_file {
	struct watch source; /* owns the pipe; fd -1: none */
	struct gateway_files *all;
	struct stats *stats;
	uint32_t index;
	bool failing; /* writing failed, and it was said */
	size_t used;
	char *lines; /* LINES_MAX, made with the first byte */
};

struct gateway_files {
	struct loop *loop;
	int log_dir_fd; /* borrowed */
	struct gateway_file files[GATEWAYS_MAX];
};

int gateway_files_new(struct loop *loop, int log_dir_fd, struct gateway_files **out)
{
	struct gateway_files *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->loop = loop;
	f->log_dir_fd = log_dir_fd;
	for (uint32_t i = 0; i < GATEWAYS_MAX; i++)
		f->files[i] = (struct gateway_file){.source = {.fd = -1}, .all = f, .index = i};
	*out = f;
	return 0;
}

static void close_pipe(struct gateway_file *g)
{
	if (g->source.fd < 0)
		return;
	loop_unwatch(g->all->loop, &g->source);
	fd_close(&g->source.fd);
	g->used = 0;
}

void gateway_files_free(struct gateway_files *f)
{
	if (!f)
		return;
	for (uint32_t i = 0; i < GATEWAYS_MAX; i++) {
		close_pipe(&f->files[i]);
		stats_close(f->files[i].stats);
		free(f->files[i].lines);
	}
	free(f);
}

static void keep_lines(struct gateway_file *g, size_t size)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "gateway-%u", g->index);
	r = log_append(g->all->log_dir_fd, ACCESS_DIRECTORY, name, g->lines, size);
	if (r < 0 && !g->failing)
		log_warn("event=access_log_lost gateway=%u err=\"%s\"", g->index, strerror(-r));
	g->failing = r < 0;
	g->used -= size;
	memmove(g->lines, g->lines + size, g->used);
}

static void on_lines(struct watch *source, uint32_t events)
{
	struct gateway_file *g = container_of(source, struct gateway_file, source);
	const char *end;
	ssize_t n;

	if (!g->lines && !(g->lines = malloc(LINES_MAX)))
		return; /* level-triggered: it comes again */
	n = read(source->fd, g->lines + g->used, LINES_MAX - g->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_pipe(g);
		return;
	}
	g->used += (size_t)n;
	end = memrchr(g->lines, '\n', g->used);
	if (end)
		keep_lines(g, (size_t)(end + 1 - g->lines));
	else if (g->used == LINES_MAX)
		g->used = 0; /* no line of a gateway is so long */
}

int gateway_files_put(struct gateway_files *f, uint32_t index, int stats_fd, int pipe_fd)
{
	SCOPED_FD fd = pipe_fd;
	struct gateway_file *g;
	struct stats *stats;
	int r;

	if (index >= GATEWAYS_MAX)
		return -EINVAL;
	r = stats_open(stats_fd, 0, &stats);
	if (r < 0)
		return r;
	g = &f->files[index];
	close_pipe(g);
	stats_close(g->stats);
	g->stats = stats;
	g->source = (struct watch){
		.fd = keep_fd(&fd), .on_ready = on_lines, .name = "gateway_files on_lines"};
	return loop_watch(f->loop, &g->source, EPOLLIN);
}

int gateway_files_metrics(const struct gateway_files *f, struct buffer *out)
{
	const struct stats *stats[GATEWAYS_MAX];
	size_t count = 0;

	for (uint32_t i = 0; i < GATEWAYS_MAX; i++)
		if (f->files[i].stats)
			stats[count++] = f->files[i].stats;
	return gateway_metrics_write(stats, count, out);
}
