// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/image_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/images.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/container_of.h"
#include "runtime/base/fd.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define EXPORT_TIMEOUT_MS (60 * 60 * 1000)
#define BACKLOG_BYTES_MAX (256u << 10)
#define READ_BYTES        65536u

struct export
{
	struct chain in_exports;
	struct api *api;
	struct request *rq; /* NULL: its client is gone, or it has its answer */
	struct watch pipe;  /* owns the reading end; fd -1: closed */
	bool begun;         /* bytes of the archive were sent */
	bool written;       /* ebbd says that the whole archive is in the pipe */
	bool asked;         /* the call to ebbd has not ended */
	bool hears;         /* the pipe is watched for reading */
};

static void close_pipe(struct export *x)
{
	if (x->pipe.fd < 0)
		return;
	loop_unwatch(x->api->loop, &x->pipe);
	fd_close(&x->pipe.fd);
}

/* Frees the export when neither its client nor ebbd has to do with it any more. */
static void settle(struct export *x)
{
	if (x->rq || x->asked)
		return;
	close_pipe(x);
	chain_remove(&x->in_exports);
	free(x);
}

static void hear(struct export *x, bool on)
{
	if (x->pipe.fd < 0 || on == x->hears)
		return;
	x->hears = on;
	must(loop_rewatch(x->api->loop, &x->pipe, on ? EPOLLIN : 0) == 0);
}

static struct export *find(const struct api *api, const struct request *rq)
{
	struct export *x;

	chain_each(x, &api->exports, in_exports)
		if (x->rq == rq)
			return x;
	return NULL;
}

/* The client took some bytes: its connection has had a turn. */
static void on_turn(struct request *rq)
{
	struct export *x = find(rq->api, rq);

	if (x)
		hear(x, stream_backlog(rq) <= BACKLOG_BYTES_MAX);
}

/* Ends the answer when the pipe is empty and ebbd has said that nothing is missing. */
static void end_whole(struct export *x)
{
	struct request *rq = x->rq;

	if (!rq || x->pipe.fd >= 0 || !x->written)
		return;
	x->rq = NULL;
	stream_end(rq);
}

static void on_pipe(struct watch *w, uint32_t events)
{
	struct export *x = container_of(w, struct export, pipe);
	char bytes[READ_BYTES];
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_pipe(x);
		end_whole(x);
		settle(x);
		return;
	}
	if (!x->begun) {
		x->begun = true;
		x->rq->on_input = on_turn;
		stream_begin(x->rq, "application/x-tar");
	}
	stream_send(x->rq, bytes, (size_t)n);
	hear(x, stream_backlog(x->rq) <= BACKLOG_BYTES_MAX);
}

static void on_exported(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct export *x = ctx;

	images_end(api->images);
	x->asked = false;
	x->written = answer->err == 0;
	if (x->written) {
		end_whole(x);
	} else {
		close_pipe(x);
		if (rq && x->begun)
			stream_abort(rq); /* an archive that is cut short must not look whole */
		else if (rq)
			problem_reply_answer(rq, "export the image", answer);
		x->rq = NULL;
	}
	settle(x);
}

void image_exports_forget(struct api *api, const struct request *rq)
{
	struct export *x = find(api, rq);

	if (!x)
		return;
	x->rq = NULL;
	close_pipe(x);
	settle(x);
}

void image_exports_free(struct api *api)
{
	struct chain *first;

	while ((first = chain_take_first(&api->exports))) {
		struct export *x = container_of(first, struct export, in_exports);

		close_pipe(x);
		free(x);
	}
}

/* ---- the request ---- */

/* 0 and *to_fd, the writing end, or -errno. */
static int open_pipe(struct export *x, int *to_fd)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	x->pipe =
		(struct watch){.fd = ends[0], .on_ready = on_pipe, .name = "image_export on_pipe"};
	*to_fd = ends[1];
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = loop_watch(x->api->loop, &x->pipe, EPOLLIN);
	x->hears = r == 0;
	return r;
}

static struct export *export_new(struct request *rq, int *to_fd)
{
	struct export *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->api = rq->api;
	x->rq = rq;
	x->pipe.fd = -1;
	if (open_pipe(x, to_fd) < 0) {
		close_pipe(x);
		free(x);
		return NULL;
	}
	chain_init(&x->in_exports);
	chain_add_last(&rq->api->exports, &x->in_exports);
	return x;
}

/* Whether text is a name of an image, and not a digest or the front of one. */
static bool is_name(const struct images *images, const char *text)
{
	const char *name;

	for (size_t i = 0; (name = images_name_at(images, i)); i++)
		if (strcmp(name, text) == 0)
			return true;
	return false;
}

static void ask(struct export *x, const struct image *image, int to_fd)
{
	struct request *rq = x->rq;
	SCOPED_MEM struct wire_image_export *record = calloc(1, sizeof(*record));

	if (!record) {
		on_exported(x->api, rq, x, &(struct answer){.err = ENOMEM});
		return;
	}
	record->layer_count = image->layer_count;
	memcpy(record->layers, image->layers, sizeof(record->layers));
	record->config = image->config;
	if (is_name(x->api->images, rq->arg))
		(void)text_copy(record->reference, sizeof(record->reference), rq->arg);
	calls_ask(x->api, &(struct call_ask){.peer = CALL_EBBD,
					     .type = WIRE_IMAGE_EXPORT,
					     .record = record,
					     .size = sizeof(*record),
					     .fd = to_fd,
					     .has_fd = true,
					     .timeout_ms = EXPORT_TIMEOUT_MS,
					     .cancel = WIRE_IMAGE_CANCEL,
					     .rq = rq,
					     .done = on_exported,
					     .ctx = x});
}

void get_archive(struct request *rq)
{
	const struct image *image = images_resolve(rq->api->images, rq->arg);
	SCOPED_FD to_fd = -1;
	struct export *x;

	if (!image) {
		answer_no_image(rq, rq->arg);
		return;
	}
	if (!images_begin(rq->api->images, IMAGES_KEEPING)) {
		problem_reply(rq, 409, "try again in a moment", "images are being removed");
		return;
	}
	x = export_new(rq, &to_fd);
	if (!x) {
		images_end(rq->api->images);
		problem_reply(rq, 503, "try again in a moment", "out of memory or descriptors");
		return;
	}
	x->asked = true;
	ask(x, image, to_fd);
}
