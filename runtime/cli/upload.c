// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/text_out.h"

#define PROGRESS_EVERY_NS (100 * NS_PER_MS)
#define SOURCES                                                                           \
	"sources are oci:DIR, oci-archive:FILE, docker-archive:FILE (FILE - is a pipe), " \
	"dir:ROOTFS"

static const struct scheme {
	const char *prefix, *format;
	bool directory;
} schemes[] = {
	{"oci:", "oci-archive", true},
	{"oci-archive:", "oci-archive", false},
	{"docker-archive:", "docker-archive", false},
	{"dir:", "rootfs", true},
};

struct progress {
	struct upload *upload;
	uint64_t shown_ns, sent;
	bool terminal;
};

/* Splits "PATH" or "PATH:REF". References hold colons, and paths may hold them too. The whole text
 * is the path if a file of that name exists; else the shortest part in front of a colon that
 * exists. */
static int split_reference(struct upload *u, const char *text)
{
	if (text_copy(u->path, sizeof(u->path), text) < 0)
		return -ENAMETOOLONG;
	if (text[0] == '-' &&
	    (!text[1] || text[1] == ':')) { /* stdin, as skopeo and docker have it */
		u->path[1] = '\0';
		return text_copy(u->reference, sizeof(u->reference), text[1] ? text + 2 : "");
	}
	if (access(u->path, F_OK) == 0)
		return 0;
	for (char *colon = strchr(u->path, ':'); colon; colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		if (access(u->path, F_OK) == 0)
			return text_copy(u->reference, sizeof(u->reference), colon + 1);
		*colon = ':';
	}
	return -ENOENT;
}

static int open_file(struct upload *u)
{
	struct stat st;

	u->fd = strcmp(u->path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					  : open(u->path, O_RDONLY | O_CLOEXEC);
	if (u->fd < 0 || fstat(u->fd, &st) < 0)
		return -errno;
	if (strcmp(u->path, "-") == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : 0;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	u->bytes = (uint64_t)st.st_size;
	return u->bytes ? 0 : -ENODATA;
}

static int open_directory(struct upload *u)
{
	const char *argv[] = {"tar", "-C", u->path, "--numeric-owner", "--xattrs", "-cf",
			      "-",   ".",  NULL};
	struct stat st;
	pid_t pid;

	if (stat(u->path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	pid = process_start(argv, &u->fd);
	if (pid < 0)
		return pid;
	u->tar_pid = pid;
	return 0;
}

static int refuse_scheme(const char *source, struct fault *f)
{
	if (strncmp(source, "docker:", 7) == 0) {
		fault_say(f, -EINVAL, "ebb speaks to no registry");
		fault_mend(f,
			   "`skopeo copy %.300s oci-archive:image.tar`, then import "
			   "oci-archive:image.tar",
			   source);
		return -EINVAL;
	}
	fault_say(f, -EINVAL, "it begins with none of oci: oci-archive: docker-archive: dir:");
	fault_mend(f, "%s", SOURCES);
	return -EINVAL;
}

int upload_open(const char *source, struct upload *out, struct fault *f)
{
	struct upload u = {.fd = -1};
	const struct scheme *scheme = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strncmp(source, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			scheme = &schemes[i];
	if (!scheme)
		return refuse_scheme(source, f);
	u.format = scheme->format;
	r = split_reference(&u, source + strlen(scheme->prefix));
	if (r == 0)
		r = scheme->directory ? open_directory(&u) : open_file(&u);
	if (r < 0) {
		fault_errno(f, r, "%.200s", source + strlen(scheme->prefix));
		fault_mend(f, "%s", SOURCES);
		upload_close(&u);
		return r;
	}
	*out = u;
	return 0;
}

void upload_close(struct upload *upload)
{
	fd_close(&upload->fd); /* first: tar then ends by SIGPIPE */
	if (upload->tar_pid > 0)
		process_wait(upload->tar_pid);
	upload->tar_pid = 0;
}

void upload_default_name(const struct upload *upload, char *name, size_t size)
{
	static const char *const endings[] = {".gz", ".zst", ".xz", ".tar"};
	char path[sizeof(upload->path)];
	const char *base;

	(void)text_copy(path, sizeof(path), upload->path);
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t n = strlen(path), m = strlen(endings[i]);

		if (n > m && strcmp(path + n - m, endings[i]) == 0)
			path[n - m] = '\0';
	}
	base = strrchr(path, '/');
	snprintf(name, size, "%s", base ? base + 1 : path);
}

static void show_progress(const struct progress *p, const char *end)
{
	char sent[32], all[32];

	text_bytes(sent, sizeof(sent), p->sent);
	if (p->upload->bytes)
		fprintf(stderr, "%sebb: sent %s of %s%s", p->terminal ? "\r\033[K" : "", sent,
			text_bytes(all, sizeof(all), p->upload->bytes), end);
	else
		fprintf(stderr, "%sebb: sent %s%s", p->terminal ? "\r\033[K" : "", sent, end);
}

static void on_sent(void *context, uint64_t sent)
{
	struct progress *p = context;
	uint64_t now_ns = clock_mono_ns();

	p->sent = sent;
	if (p->terminal && now_ns - p->shown_ns >= PROGRESS_EVERY_NS) {
		p->shown_ns = now_ns;
		show_progress(p, "");
	}
}

/* Called before the last chunk is sent: a tar that failed aborts the upload. */
static int on_source_end(void *context)
{
	struct progress *p = context;
	int status = 0;

	if (p->upload->tar_pid > 0)
		status = process_wait(p->upload->tar_pid);
	p->upload->tar_pid = 0;
	if (status == 0)
		show_progress(p, "\n");
	return status == 0 ? 0 : -ECANCELED;
}

int upload_send(const struct call *call, struct upload *upload, const char *name,
		struct api_answer *out)
{
	struct progress progress = {.upload = upload, .terminal = isatty(STDERR_FILENO)};
	char target[2048], encoded_name[512], encoded_reference[512], action[320];
	struct conn_request request = {
		.method = "POST",
		.target = target,
		.accept = "application/json",
		.content_type = "application/x-tar",
		.body_fd = upload->fd,
		.body_bytes = upload->bytes,
		.progress = on_sent,
		.source_end = on_source_end,
		.context = &progress,
	};

	snprintf(action, sizeof(action), "import %.200s", upload->path);
	if (conn_encode(encoded_name, sizeof(encoded_name), name) < 0 ||
	    conn_encode(encoded_reference, sizeof(encoded_reference), upload->reference) < 0) {
		say_error("its name is too long", NULL, "cannot %s", action);
		return CLI_USAGE;
	}
	snprintf(target, sizeof(target), "/v1/images?format=%s&name=%s%s%s", upload->format,
		 encoded_name, *encoded_reference ? "&reference=" : "", encoded_reference);
	return api_exchange(call, &request, action, out);
}
