// SPDX-License-Identifier: Apache-2.0
#include "send.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define SMALL_BYTES   12288 /* fits beside its head into what goes out in one call */
#define HEADING_BYTES 320
#define TYPE_BYTES    64

/* An answer under way. */
struct job {
	int fd, next, count;
	const char *type; /* of a part; NULL: the answer has no parts */
	uint64_t size;    /* of the whole file */
	struct range ranges[RANGES_MAX];
};

/* Separates parts. It is random, so that no file can hold it. */
static const char *boundary(void)
{
	static char text[33];
	unsigned char bytes[16];

	if (!text[0] && getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes))
		for (size_t i = 0; i < sizeof(bytes); i++)
			snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

/* The text before a part (RFC 9110 section 14.6), or behind the last one. */
static size_t heading(const struct job *job, int part, char *out)
{
	const struct range *r = &job->ranges[part];
	int n;

	if (part == job->count)
		n = snprintf(out, HEADING_BYTES, "\r\n--%s--\r\n", boundary());
	else
		n = snprintf(out, HEADING_BYTES,
			     "\r\n--%s\r\nContent-Type: %s\r\n"
			     "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
			     boundary(), job->type, r->first, r->last, job->size);
	return n < 0 || n >= HEADING_BYTES ? 0 : (size_t)n;
}

static void job_free(struct job *job)
{
	close(job->fd);
	free(job);
}

static void on_cancel(struct ebb_request *rq, void *ctx)
{
	job_free(ctx);
}

static void on_writable(struct ebb_request *rq, void *ctx);

/* Hands on the next part. The parts before have been sent, so a heading has room. */
static void go_on(struct ebb_request *rq, struct job *job)
{
	char text[HEADING_BYTES];
	size_t size = job->type ? heading(job, job->next, text) : 0;
	bool last = job->next == job->count;
	struct range r = job->ranges[last ? 0 : job->next];

	if (size > 0 && ebb_write(rq, text, size) != (long)size) {
		ebb_on_cancel(rq, NULL, NULL);
		job_free(job);
		ebb_fail(rq, "a part has no room");
		return;
	}
	if (!last) {
		job->next++;
		ebb_on_writable(rq, on_writable, job);
		(void)ebb_file(rq, job->fd, r.first, range_bytes(&r));
		return;
	}
	ebb_on_cancel(rq, NULL, NULL);
	job_free(job);
	(void)ebb_end(rq); /* the request may be gone now */
}

static void on_writable(struct ebb_request *rq, void *ctx)
{
	go_on(rq, ctx);
}

/* Begins an answer and goes on with the job when its head is sent. */
static int begin(struct ebb_request *rq, int status, const char *type, struct job *job,
		 int64_t length)
{
	int r = ebb_begin(rq, status, type, length);

	if (r < 0) {
		job_free(job);
		return r;
	}
	if (strcmp(ebb_method(rq), "HEAD") == 0) {
		job_free(job);
		return ebb_end(rq);
	}
	ebb_on_cancel(rq, on_cancel, job);
	go_on(rq, job);
	return 0;
}

static int read_all(int fd, char *out, size_t size, uint64_t at)
{
	for (size_t used = 0; used < size;) {
		ssize_t n = pread(fd, out + used, size - used, (off_t)(at + used));

		if (n == 0 || (n < 0 && errno != EINTR))
			return n == 0 ? -EIO : -errno;
		used += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Bytes without parts: few ones go out together with the head, in one system call. */
static int send_bytes(struct ebb_request *rq, int status, const char *type, const struct file *file,
		      struct range bytes)
{
	static char small[SMALL_BYTES];
	uint64_t size = file->size > 0 ? range_bytes(&bytes) : 0;
	struct job *job;
	int r = 0;

	if (size <= SMALL_BYTES) {
		if (strcmp(ebb_method(rq), "HEAD") != 0)
			r = read_all(file->fd, small, (size_t)size, bytes.first);
		close(file->fd);
		return r < 0 ? r : ebb_respond(rq, status, type, small, (size_t)size);
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		close(file->fd);
		return -ENOMEM;
	}
	*job = (struct job){.fd = file->fd, .count = 1, .size = file->size, .ranges = {bytes}};
	return begin(rq, status, type, job, (int64_t)size);
}

int send_whole(struct ebb_request *rq, int status, const char *type, const struct file *file)
{
	return send_bytes(rq, status, type, file, (struct range){0, file->size - 1});
}

static int send_one(struct ebb_request *rq, const char *type, const struct file *file,
		    struct range bytes)
{
	char value[96];
	int r;

	snprintf(value, sizeof(value), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, bytes.first,
		 bytes.last, file->size);
	r = ebb_header_add(rq, "Content-Range", value);
	if (r == 0)
		return send_bytes(rq, 206, type, file, bytes);
	close(file->fd);
	return r;
}

int send_ranges(struct ebb_request *rq, const char *type, const struct file *file,
		const struct range *ranges, int count)
{
	char text[HEADING_BYTES], whole_type[TYPE_BYTES];
	struct job *job;
	int64_t length = 0;

	if (count == 1)
		return send_one(rq, type, file, ranges[0]);
	job = calloc(1, sizeof(*job));
	if (!job) {
		close(file->fd);
		return -ENOMEM;
	}
	*job = (struct job){.fd = file->fd, .count = count, .size = file->size, .type = type};
	memcpy(job->ranges, ranges, (size_t)count * sizeof(*ranges));
	for (int i = 0; i <= count; i++)
		length += (int64_t)heading(job, i, text) +
			  (i < count ? (int64_t)range_bytes(&ranges[i]) : 0);
	snprintf(whole_type, sizeof(whole_type), "multipart/byteranges; boundary=%s", boundary());
	return begin(rq, 206, whole_type, job, length);
}
