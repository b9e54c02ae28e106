// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define HEAD_BYTES_MAX   (32 * 1024)
#define BODY_PIECE_BYTES (64 * 1024)

int conn_open(const char *socket_path, struct conn **out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED_FD fd = -1;
	struct conn *conn;

	if (text_copy(address.sun_path, sizeof(address.sun_path), socket_path) < 0)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->fd = keep_fd(&fd);
	conn->timeout_ms = 60000;
	*out = conn;
	return 0;
}

void conn_free(struct conn *conn)
{
	if (!conn)
		return;
	fd_close(&conn->fd);
	free(conn);
}

static int send_all(struct conn *conn, const void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(conn->fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int send_piece(struct conn *conn, const char *bytes, size_t size, bool chunked)
{
	char line[24];
	int n = snprintf(line, sizeof(line), "%zx\r\n", size);
	int r = 0;

	if (chunked)
		r = send_all(conn, line, (size_t)n);
	if (r == 0)
		r = send_all(conn, bytes, size);
	if (r == 0 && chunked)
		r = send_all(conn, "\r\n", 2);
	return r;
}

/* Sends body_fd to its end, or body_bytes of it. A file that shrank meanwhile is an error. */
static int send_file(struct conn *conn, const struct conn_request *request)
{
	bool chunked = request->body_bytes == 0;
	uint64_t sent = 0;
	char *piece = conn->buf; /* free until the answer comes */

	_Static_assert(BODY_PIECE_BYTES <= CONN_BUFFER_BYTES, "a piece fits");
	must(conn->end == 0 && request->body_fd >= 0);
	for (;;) {
		size_t want = BODY_PIECE_BYTES;
		ssize_t n;
		int r;

		if (!chunked && request->body_bytes - sent < want)
			want = (size_t)(request->body_bytes - sent);
		n = want ? read(request->body_fd, piece, want) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		r = send_piece(conn, piece, (size_t)n, chunked);
		if (r < 0)
			return r;
		sent += (uint64_t)n;
		if (request->progress)
			request->progress(request->context, sent);
	}
	if (!chunked && sent != request->body_bytes)
		return -EIO;
	if (request->source_end) {
		int r = request->source_end(request->context);

		if (r < 0)
			return r;
	}
	return chunked ? send_all(conn, "0\r\n\r\n", 5) : 0;
}

static int head_write(const struct conn_request *request, char *head, size_t size)
{
	uint64_t bytes = request->body ? request->body_size : request->body_bytes;
	char length[64] = "", type[160] = "", accept[160] = "", upgrade[80] = "close";

	if (request->content_type) {
		snprintf(type, sizeof(type), "Content-Type: %s\r\n", request->content_type);
		if (request->body || request->body_bytes)
			snprintf(length, sizeof(length), "Content-Length: %" PRIu64 "\r\n", bytes);
		else
			snprintf(length, sizeof(length), "Transfer-Encoding: chunked\r\n");
	} else if (strcmp(request->method, "GET") != 0) {
		snprintf(length, sizeof(length), "Content-Length: 0\r\n");
	}
	if (request->upgrade)
		snprintf(upgrade, sizeof(upgrade), "Upgrade\r\nUpgrade: %s", request->upgrade);
	if (request->accept)
		snprintf(accept, sizeof(accept), "Accept: %s\r\n", request->accept);
	return text_format(head, size,
			   "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ebb/" EBB_VERSION
			   "\r\nConnection: %s\r\n%s%s%s\r\n",
			   request->method, request->target, upgrade, accept, type, length);
}

int conn_send(struct conn *conn, const struct conn_request *request)
{
	char head[4096];
	int r = head_write(request, head, sizeof(head));

	if (r == 0)
		r = send_all(conn, head, strlen(head));
	if (r == 0 && request->content_type && request->body)
		r = send_all(conn, request->body, request->body_size);
	else if (r == 0 && request->content_type)
		r = send_file(conn, request);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0; /* the server answered early, and its answer says why */
	return r;
}

static int fill(struct conn *conn)
{
	struct pollfd wait = {.fd = conn->fd, .events = POLLIN};
	ssize_t n;
	int r;

	must(conn->at <= conn->end &&
	     conn->end < sizeof(conn->buf)); /* no bytes would be its end */
	do {
		r = poll(&wait, 1, conn->timeout_ms);
	} while (r < 0 && errno == EINTR && conn->timeout_ms != 0);
	if (r == 0)
		return conn->timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT;
	if (r < 0)
		return -errno;
	do {
		n = recv(conn->fd, conn->buf + conn->end, sizeof(conn->buf) - conn->end, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	conn->end += (size_t)n;
	return (int)n;
}

static void header_copy(const struct http_head *head, const char *name, char *buf, size_t size)
{
	const struct http_header *h = http_find(head, name);

	buf[0] = '\0';
	if (h && h->value.size < size) {
		memcpy(buf, h->value.at, h->value.size);
		buf[h->value.size] = '\0';
	}
}

static int head_take(struct conn *conn, const struct http_head *head)
{
	conn->status = head->status;
	conn->framing = head->framing;
	conn->left = head->body_bytes;
	conn->ended = head->framing == HTTP_NO_BODY ||
		      (head->framing == HTTP_LENGTH && head->body_bytes == 0);
	http_chunked_init(&conn->chunked);
	header_copy(head, "Content-Type", conn->content_type, sizeof(conn->content_type));
	header_copy(head, "ETag", conn->etag, sizeof(conn->etag));
	header_copy(head, "Location", conn->location, sizeof(conn->location));
	return 0;
}

int conn_head(struct conn *conn)
{
	struct http_head head;
	const char *why;
	long size;

	for (;;) {
		size = http_head_end(conn->buf + conn->at, conn->end - conn->at, 0, HEAD_BYTES_MAX);
		if (size < 0)
			return -EPROTO;
		if (size == 0) {
			int r = fill(conn);

			if (r <= 0)
				return r == 0 ? -ECONNRESET : r;
			continue;
		}
		if (http_response_parse(conn->buf + conn->at, (size_t)size, false, &head, &why) !=
		    0)
			return -EPROTO;
		conn->at += (size_t)size;
		if (head.status >= 200 || head.status == 101)
			return head_take(conn, &head);
	}
}

int conn_ask_stream(struct conn *conn, const char *target, const char *accept)
{
	const struct conn_request request = {
		.method = "GET",
		.target = target,
		.accept = accept,
		.body_fd = -1,
	};
	int r = conn_send(conn, &request);

	return r < 0 ? r : conn_head(conn);
}

static int next_chunk(struct conn *conn, struct http_slice *data)
{
	while (conn->at < conn->end) {
		size_t used = 0;
		int r = http_chunked_next(&conn->chunked, conn->buf + conn->at,
					  conn->end - conn->at, &used, data);

		if (r < 0)
			return -EPROTO;
		must(used > 0 && used <= conn->end - conn->at); /* else this loop would not end */
		conn->at += used;
		conn->ended = r == 1;
		if (data->size > 0 || conn->ended)
			break;
	}
	return 0;
}

static void next_run(struct conn *conn, struct http_slice *data)
{
	data->at = conn->buf + conn->at;
	data->size = conn->end - conn->at;
	must(data->size > 0 && conn->framing != HTTP_NO_BODY);
	if (conn->framing == HTTP_LENGTH) {
		if (data->size > conn->left)
			data->size = (size_t)conn->left;
		conn->left -= data->size;
		conn->ended = conn->left == 0;
	}
	conn->at += data->size;
}

int conn_next(struct conn *conn, struct http_slice *out)
{
	struct http_slice data = {NULL, 0};
	int r = 0;

	while (!conn->ended) {
		if (conn->at == conn->end) {
			conn->at = conn->end = 0;
			r = fill(conn);
			if (r == 0 && conn->framing == HTTP_UNTIL_CLOSE)
				break;
			if (r <= 0)
				return r == 0 ? -EPROTO : r;
		}
		data.size = 0;
		if (conn->framing == HTTP_CHUNKED)
			r = next_chunk(conn, &data);
		else
			next_run(conn, &data);
		if (r < 0)
			return r;
		if (data.size > 0) {
			*out = data;
			return 1;
		}
	}
	conn->ended = true;
	return 0;
}

int conn_encode(char *buf, size_t size, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	size_t used = 0;

	for (; *text; text++) {
		bool kept = strchr(plain, *text) != NULL;

		if (used + 4 > size)
			return -ENAMETOOLONG;
		if (kept)
			buf[used++] = *text;
		else
			used += (size_t)snprintf(buf + used, size - used, "%%%02X",
						 (unsigned char)*text);
	}
	if (used >= size)
		return -ENAMETOOLONG;
	buf[used] = '\0';
	return 0;
}
