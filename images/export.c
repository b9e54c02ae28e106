// SPDX-License-Identifier: Apache-2.0
/*
 * An export: one ebb-unpack in the role PACK sees the pieces of the image, each for itself and
 * read-only, and writes an OCI archive into the pipe that it was given. ebbd reads nothing of it.
 * The pidfd of that child is all that the caller watches, because its report waits in the channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/child.h"
#include "images/jail.h"
#include "images/store.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/unpack_records.h"

#define EXPORT_CAPS (1u << CAP_SYS_CHROOT | 1u << CAP_DAC_READ_SEARCH)

struct image_export {
	int pid_fd, control_fd, output_fd; /* or -1 */
	int layer_fds[IMAGE_LAYERS_MAX];   /* until the child runs */
	uint32_t layers;
};

static void close_layers(struct image_export *e)
{
	for (uint32_t n = 0; n < e->layers; n++)
		fd_close(&e->layer_fds[n]);
	e->layers = 0;
}

/* The highest first, as jail.h wants them. */
static int open_layers(struct image_export *e, struct image_store *s,
		       const struct wire_image_export *job)
{
	must(job->layer_count > 0 && job->layer_count <= IMAGE_LAYERS_MAX);
	for (uint32_t n = job->layer_count; n > 0; n--) {
		int fd = image_layer_open(s, job->layers[n - 1]);

		if (fd < 0)
			return fd;
		e->layer_fds[e->layers++] = fd;
	}
	return 0;
}

static int send_image(const struct image_export *e, const struct wire_image_export *job)
{
	SCOPED_MEM struct wire_unpack_image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->layer_count = job->layer_count;
	image->config = job->config;
	return wire_send(e->control_fd, WIRE_UNPACK_IMAGE, image, sizeof(*image), NULL, 0);
}

static int send_job(const struct image_export *e, const struct image_store *s,
		    const struct wire_image_export *job, int to_fd)
{
	struct wire_unpack_job record = {
		.role = WIRE_UNPACK_PACK,
		.layer = job->layer_count,
		.bytes_max = s->limits.bytes_max,
		.file_bytes_max = s->limits.file_bytes_max,
		.entries_max = s->limits.entries_max,
	};
	int r;

	memcpy(record.reference, job->reference, sizeof(record.reference));
	r = wire_send(e->control_fd, WIRE_UNPACK_JOB, &record, sizeof(record), &to_fd, 1);
	return r < 0 ? r : send_image(e, job);
}

static int spawn(struct image_export *e, struct image_store *s, int child_fd)
{
	char *const argv[] = {"ebb-unpack", NULL};
	const struct jail_root root = {
		.lower_fds = e->layer_fds,
		.lower_count = e->layers,
		.piece_fd = -1,
		.id_base = s->id_base,
		.apart = true,
	};
	const struct jail_command c = {
		.exe_fd = s->unpack_fd,
		.argv = argv,
		.dir_fd = -1,
		.root = &root,
		.control_fd = child_fd,
		.output_fd = e->output_fd,
		.user_ns_fd = s->user_ns_fd,
		.caps = EXPORT_CAPS,
		.mount_point = s->jail_dir,
	};

	return jail_spawn(&c, &e->pid_fd);
}

int image_export_start(struct image_store *s, const struct wire_image_export *job, int to_fd,
		       struct image_export **out)
{
	struct image_export *e = calloc(1, sizeof(*e));
	SCOPED_FD child_fd = -1;
	int r;

	if (!e)
		return -ENOMEM;
	e->pid_fd = e->control_fd = -1;
	e->output_fd = memfd_create("ebb-image", MFD_CLOEXEC);
	r = e->output_fd < 0 ? -errno : open_layers(e, s, job);
	if (r == 0)
		r = wire_pair(&e->control_fd, &child_fd);
	if (r == 0)
		r = send_job(e, s, job, to_fd);
	if (r == 0)
		r = spawn(e, s, child_fd);
	if (r == 0 && fcntl(e->control_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	close_layers(e);
	if (r < 0) {
		image_export_free(e);
		return r;
	}
	*out = e;
	return 0;
}

int image_export_fd(const struct image_export *e)
{
	return e->pid_fd;
}

/* Whether the child has reported; *done is its report then. A child that was taken over may send
 * anything else, which counts as no report. */
static bool read_report(const struct image_export *e, struct wire_unpack_done *done)
{
	SCOPED_MEM struct wire_message *m = calloc(1, sizeof(*m));
	bool good = m && wire_recv(e->control_fd, m) == 1 && m->head.type == WIRE_UNPACK_DONE &&
		    m->head.size == sizeof(*done) && m->fd_count == 0;

	if (good)
		memcpy(done, m->record, sizeof(*done));
	if (m)
		wire_message_fini(m);
	return good && done->err >= 0 && text_terminated(done->text, sizeof(done->text));
}

int image_export_end(struct image_export *e, char *text, size_t size)
{
	struct wire_unpack_done done = {0};
	char how[256];
	int status = 0, r = child_reap(e->pid_fd, &status);

	must(r != 0); /* its descriptor was ready */
	if (r > 0 && read_report(e, &done)) {
		(void)text_format(text, size, "%s", done.text);
		return -done.err;
	}
	child_describe_end(e->output_fd, r < 0 ? W_EXITCODE(EXIT_FAILURE, 0) : status, how,
			   sizeof(how));
	(void)text_format(text, size, "ebb-unpack ended early: %s", how);
	return -EIO;
}

void image_export_free(struct image_export *e)
{
	if (!e)
		return;
	child_kill(&e->pid_fd);
	close_layers(e);
	fd_close(&e->control_fd);
	fd_close(&e->output_fd);
	free(e);
}
