// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/unpack.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

int unpack_fail(struct unpack *u, int err, const char *fmt, ...)
{
	va_list ap;

	must(err < 0);
	if (u->err[0])
		return err;
	va_start(ap, fmt);
	(void)vsnprintf(u->err, sizeof(u->err), fmt, ap);
	va_end(ap);
	return err;
}

static int rootfs_unpack(struct unpack *u)
{
	return layer_unpack_source(u);
}

static int (*const format_unpack[WIRE_IMAGE_FORMAT_COUNT])(struct unpack *u) = {
	[WIRE_IMAGE_OCI_ARCHIVE] = oci_unpack,
	[WIRE_IMAGE_DOCKER_ARCHIVE] = docker_unpack,
	[WIRE_IMAGE_ROOTFS_TAR] = rootfs_unpack,
};

static int run(struct unpack *u, int target_fd)
{
	int r = confine_self(u, target_fd);

	if (r < 0)
		return r;
	if (mkdir("/layers", 0700) < 0)
		return unpack_fail(u, -errno, "cannot make layers: %s", strerror(errno));
	return format_unpack[u->job->format](u);
}

static int report(const struct unpack *u, int result)
{
	static struct wire_unpack_done done; /* large for a stack */

	done.err = -result;
	done.layer_count = u->layer_count;
	memcpy(done.digest, u->digest, sizeof(done.digest));
	done.config = u->config;
	if (result < 0)
		(void)text_format(done.text, sizeof(done.text), "%s",
				  u->err[0] ? u->err : strerror(-result));
	return wire_send(u->control_fd, WIRE_UNPACK_DONE, &done, sizeof(done), NULL, 0);
}

int main(void)
{
	static struct wire_message m; /* holds the job until the end */
	static struct unpack u = {.control_fd = UNPACK_CONTROL_FD, .source_fd = -1};
	const struct wire_unpack_job *job = (const void *)m.record;
	int r;

	/* Without it libarchive reports every name outside ASCII as a warning. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	umask(022);
	(void)signal(SIGXFSZ, SIG_IGN); /* a sparse giant is EFBIG, not a death */
	if (wire_recv(UNPACK_CONTROL_FD, &m) != 1 || m.head.type != WIRE_UNPACK_JOB ||
	    m.head.size != sizeof(*job) || m.fd_count != 2 ||
	    job->format >= WIRE_IMAGE_FORMAT_COUNT ||
	    !text_terminated(job->reference, sizeof(job->reference))) {
		fprintf(stderr, "ebb-unpack: is started by ebbd with a job on descriptor %d\n",
			UNPACK_CONTROL_FD);
		return 2;
	}
	u.job = job;
	u.source_fd = m.fds[0];
	r = run(&u, m.fds[1]);
	return report(&u, r) < 0 || r < 0;
}
