/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Private to the library of ebb.h. A connection carries one request at a time, so a connection and
 * its request are one structure, whose memory is kept for the next connection.
 *
 *   serve.c    start, loop, SIGTERM      epoll.c, ring.c   the two backends
 *   conn.c     a connection's life       http.c, chunk.c   heads and bodies as bytes
 *   request.c  what handlers ask         answer.c          what they say
 *   timers.c   a heap                    work.c, ipc.c     waitUntil and the host
 *   log.c      lines of the log          clock.c           what time it is
 *   queue.c    calls to queues           queue_call.c      the connection of a call
 *
 * Each file calls those behind it: serve, epoll and ring, request, answer, conn, http and chunk;
 * serve, work, ipc; queue, request, queue_call; all of them timers, log, clock. Events go the other way by struct backend,
 * struct conn_user, timers and on_connected.
 */
/* clang-format on */
#ifndef EBB_NATIVE_LOOP_H
#define EBB_NATIVE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ebb.h"

#define HEADERS_MAX    64
#define HEAD_BYTES     4096  /* in the connection; a longer head gets memory of its own */
#define HEAD_BYTES_MAX 65536 /* as the gateway's */
#define OUT_BYTES      16384
#define FRAME_BYTES    32 /* kept free in out for a chunk's size and the last chunk */
#define EXTRA_BYTES    1024
#define BUFFERS        256 /* to receive into, for all connections; a power of two */
#define BUFFER_BYTES   EBB_PIECE_MAX
#define SCRATCH_BYTES  256
#define FILE_BYTES     131072  /* of a file in memory, where the kernel cannot move them */
#define MOVE_BYTES     1048576 /* of a file in one call that moves them */
#define ID_CHARS       32
#define NS_PER_MS      UINT64_C(1000000)

struct header {
	const char *name, *value;
};

enum phase { PHASE_HEAD, PHASE_OPEN, PHASE_REST /* answered; the body is thrown away */ };
enum frame { /* where the next byte of the body stands (RFC 9112, 7.1) */
	     FRAME_LENGTH,
	     FRAME_SIZE,
	     FRAME_EXTENSION,
	     FRAME_SIZE_LF,
	     FRAME_DATA,
	     FRAME_DATA_CR,
	     FRAME_DATA_LF,
	     FRAME_TRAILER,
	     FRAME_FIELD,
	     FRAME_FIELD_LF,
	     FRAME_LAST_LF,
	     FRAME_DONE,
};
enum answer { ANSWER_NONE, ANSWER_OPEN, ANSWER_DONE };

struct ebb_request {
	struct ebb *loop;
	struct ebb_request *next; /* free, dead or starved */
	struct ebb_request *older;
	int fd; /* from here on it is reset for the next connection */
	/* epoll.c */
	uint32_t interest;
	struct ebb_request *queue_next;
	const char *send_at;
	size_t send_size;
	/* under way at the backend */
	bool receiving, sending, polling, starved, queued;
	bool closing, going;

	/* received, not yet consumed: in this buffer of the loop's; -1 = none */
	int buffer;
	const char *in_at;
	size_t in_left;

	/* the answer: out[out_sent..out_used], then tail */
	size_t out_used, out_sent, extra_used;
	char *tail; /* owned */
	size_t tail_sent, tail_size;
	int file_fd; /* borrowed; behind tail come file_left of its bytes */
	uint64_t file_at, file_left;

	/* the request; everything from here on is reset for the next one */
	enum phase phase;
	enum frame frame;
	enum answer answer;
	bool http_10, endless; /* endless: the answer's length was not said ahead */
	bool chunked_out, close_after, head_only, no_body, expects, paused, ended;
	uint64_t body_left, answer_left, deadline_ms;
	int64_t body_length;
	unsigned int size_digits, field_bytes;
	const char *method, *path, *query;
	struct header headers[HEADERS_MAX];
	size_t header_count, head_used, head_size;
	char *head; /* head_bytes, or owned */
	ebb_body_fn *on_body;
	ebb_callback *on_writable, *on_cancel, *on_awake;
	void *body_ctx, *writable_ctx, *cancel_ctx, *awake_ctx;
	struct ebb_timer awake, deadline;
	char id[ID_CHARS + 1];
	_Alignas(16) char scratch[SCRATCH_BYTES];

	/* bytes */
	char extra[EXTRA_BYTES]; /* header fields of the answer */
	char head_bytes[HEAD_BYTES];
	char out[OUT_BYTES];
};

/* A descriptor other than a connection, watched once. */
struct watch {
	int fd;
	uint32_t events; /* POLLIN, POLLOUT */
	void (*on_ready)(struct ebb *e, struct watch *w);
};

struct io; /* a backend's own */
/* Only wait calls back, with the events that have come; the other functions never do. */
struct backend {
	int (*open)(struct ebb *e);
	void (*close)(struct ebb *e);
	int (*wait)(struct ebb *e, uint64_t timeout_ns); /* UINT64_MAX: for ever */
	void (*receive)(struct ebb_request *rq);         /* once -> conn_received */
	void (*hangup)(struct ebb_request *rq);          /* the peer's end only -> conn_gone */
	void (*send)(struct ebb_request *rq, const char *data, size_t size); /* -> conn_sent */
	void (*send_file)(struct ebb_request *rq, size_t size); /* -> conn_sent; NULL: cannot */
	void (*watch)(struct ebb *e, struct watch *w);
	void (*give)(struct ebb *e, int buffer); /* takes a buffer back */
	void (*forget)(struct ebb_request *rq);  /* to be called before the connection is closed */
};
extern const struct backend epoll_backend, ring_backend;

/* The end of each request, and its beginning, are not the connection's business. */
struct conn_user {
	void (*begin)(struct ebb_request *rq); /* its head is whole and valid */
	void (*over)(struct ebb_request *rq);  /* answered or cancelled: timers, counts */
	void (*refuse)(struct ebb_request *rq, int status, const char *text); /* a bad head */
};
extern const struct conn_user request_user; /* request.c */

struct ipc {
	int fd;
	void (*on_connected)(struct ebb *e);
	size_t used;
	char out[8192];
	struct watch watch;
	struct ebb_timer again, later;
};

struct ebb {
	const struct backend *backend;
	struct io *io;
	const struct conn_user *user;
	ebb_handler *handler;
	void *ctx;
	int listen_fd;
	struct watch signals;
	uint64_t now_ns, began_ns;
	bool draining;
	size_t open; /* requests */
	struct ebb_work *works;
	struct queue_call *calls;
	struct ebb_request *free, *dead, *starved, *newest;
	char *buffers; /* BUFFERS * BUFFER_BYTES */
	struct ebb_timer **heap;
	size_t heap_count, heap_size;
	struct ipc ipc;
};

/* clock.c */
uint64_t clock_ns(void);
uint64_t deadline_in_ms(uint64_t deadline_ms); /* of a date; 0 when it has passed */
#define PORT_DEFAULT 8080
long env_number(const char *name, long otherwise);

/* conn.c */
void conn_accepted(struct ebb *e, int fd);
void conn_received(struct ebb_request *rq, int buffer, long size); /* <= 0: the end */
void conn_sent(struct ebb_request *rq, long size);                 /* < 0: -errno */
void conn_gone(struct ebb_request *rq);
void conn_starved(struct ebb_request *rq); /* no buffer was left */
void conn_go(struct ebb_request *rq);      /* goes on as far as received bytes allow */
void conn_flush(struct ebb_request *rq);
void conn_close(struct ebb_request *rq);
void conns_reap(struct ebb *e); /* frees what closed; never while a callback runs */
void conns_free(struct ebb *e); /* frees all connections, at the end */

/* http.c: 0 when the head is whole, 1 when it is not yet, or -STATUS, the status to refuse
 * it with */
int head_take(struct ebb_request *rq);
int head_parse(struct ebb_request *rq);
bool is_token(const char *text, size_t size);
bool is_value(const char *text);

/* chunk.c: takes bytes from in_at. 1 and a piece of the body, 0 when more bytes are needed, -1 for
 * a malformed body. At the end of the body rq->frame is FRAME_DONE. */
int body_take(struct ebb_request *rq, const char **out_data, size_t *out_size);

/* answer.c */
void answer_refuse(struct ebb_request *rq, int status, const char *text);

/* timers.c */
uint64_t timers_run(struct ebb *e); /* ns until the next one is due, or UINT64_MAX */

/* work.c */
void works_hold_all(struct ebb *e);

/* ipc.c */
void ipc_open(struct ebb *e, void (*on_connected)(struct ebb *e));
void ipc_close(struct ebb *e);
void ipc_started(struct ebb *e);
void ipc_hold(struct ebb *e, const char *id, uint64_t deadline_ms);
void ipc_end(struct ebb *e, const char *id);

/* queue_call.c */
void queue_calls_forget(const struct ebb_request *rq); /* nobody waits for their ends */
void queue_calls_free(struct ebb *e);                  /* at the end */

/* log.c */
void log_line(const char *id, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
