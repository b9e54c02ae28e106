/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb.h: an HTTP/1.1 server for functions in C. One thread, one loop, many requests at once.
 *
 * 	static int hello(struct ebb_request *rq, void *ctx)
 * 	{
 * 		return ebb_respond(rq, 200, "text/plain", "hello\n", 6);
 * 	}
 * 	int main(void)
 * 	{
 * 		return ebb_serve(hello, NULL) < 0;
 * 	}
 *
 * `ebb build` compiles the library in, into one static program. The loop runs on the restricted
 * io_uring of the instance where the service has "ioUring": true, and on epoll everywhere else;
 * nothing in this header differs. It serves on the socket the instance inherited, or without ebb on
 * TCP $PORT.
 *
 * Rules
 * - Everything happens in the thread that called ebb_serve. A callback that blocks makes every
 *   request of the instance wait: use ebb_sleep, never sleep(3).
 * - Functions return 0 or -errno, unless they say otherwise.
 * - A request belongs to the library. A function may use the request until the answer is complete
 *   (ebb_respond, ebb_end, ebb_nack, ebb_fail) or on_cancel was called, and not after.
 * - Text of a request lives as long as the request; the library copies text that it is given.
 * - Errors: a handler that returns less than 0 fails its request alone: 500, or a cut connection if
 *   an answer had begun. A crash is the end of the instance; the gateway answers its requests.
 * - After a freeze everything goes on where it was; timers that fell due meanwhile are late.
 */
#ifndef EBB_H
#define EBB_H

#include <stddef.h>
#include <stdint.h>

struct ebb;         /* the loop */
struct ebb_request; /* one request and its answer */
struct ebb_work;    /* work that goes on behind an answer */

/* The library calls a handler when a request's head has arrived (RFC 9112 sections 2 and 3). The
 * handler answers now or later. A result of less than 0 means that the request has failed, see
 * above. */
typedef int ebb_handler(struct ebb_request *rq, void *ctx);
typedef void ebb_callback(struct ebb_request *rq, void *ctx);

/* Serves until SIGTERM. Then takes no new request (ebb_nack), waits for open requests and for work
 * behind answers, and returns 0. -errno when it cannot begin. */
int ebb_serve(ebb_handler *handler, void *ctx);

/* ---- the request ---- */

const char *ebb_method(const struct ebb_request *rq);                   /* "GET" */
const char *ebb_path(const struct ebb_request *rq);                     /* as sent, without query */
const char *ebb_query(const struct ebb_request *rq);                    /* behind the ?, or "" */
const char *ebb_header(const struct ebb_request *rq, const char *name); /* the first, or NULL */
const char *ebb_id(const struct ebb_request *rq);                       /* 32 hex, or "" */
/* A decimal parameter of the query, or otherwise. */
uint64_t ebb_query_number(const struct ebb_request *rq, const char *name, uint64_t otherwise);
/* When the answer must be done: ms since the epoch (x-ebb-deadline); 0: no such time. */
uint64_t ebb_deadline(const struct ebb_request *rq);
/* 256 zeroed bytes of the request's own, for the handler's state. */
void *ebb_scratch(struct ebb_request *rq);
struct ebb *ebb_loop(const struct ebb_request *rq);

/* The body (RFC 9112 sections 6 and 7). After ebb_body_read, fn gets the body piece by piece as it
 * arrives, without its framing. A piece of size 0 is the end of the body; without a body it comes
 * at once. data lives as long as the call of fn. Without ebb_body_read the body is thrown away
 * behind the answer. */
#define EBB_PIECE_MAX 8192 /* of size */
typedef void ebb_body_fn(struct ebb_request *rq, const char *data, size_t size, void *ctx);
int64_t ebb_body_length(const struct ebb_request *rq); /* -1: chunked, not known ahead */
int ebb_body_read(struct ebb_request *rq, ebb_body_fn *fn, void *ctx);
void ebb_body_pause(struct ebb_request *rq); /* no more pieces until resumed; the client waits */
void ebb_body_resume(struct ebb_request *rq);

/* ---- the answer ---- */

/* Adds a header field, before the answer begins. -EINVAL if it is no valid field (RFC 9110 section
 * 5), or one that the library sets itself: Content-Length, Transfer-Encoding, Connection. -ENOSPC
 * if all added fields together are more than 1 KiB. */
int ebb_header_add(struct ebb_request *rq, const char *name, const char *value);
/* A whole answer. type may be NULL. */
int ebb_respond(struct ebb_request *rq, int status, const char *type, const void *body,
		size_t size);
/* An answer in pieces; length -1: chunked. */
int ebb_begin(struct ebb_request *rq, int status, const char *type, int64_t length);
/* Returns how many of these bytes were taken. That may be 0 when the client is slow; on_writable is
 * called when there is room again. -EMSGSIZE: more bytes than the length that was promised. */
long ebb_write(struct ebb_request *rq, const void *data, size_t size);
void ebb_on_writable(struct ebb_request *rq, ebb_callback *fn, void *ctx);
size_t ebb_room(const struct ebb_request *rq); /* bytes that ebb_write would take now */
/* Sends bytes of a file as the next part of an answer whose length was promised. The kernel moves
 * them without a copy through this program where it can. fd is the caller's and stays open until
 * on_writable is called, which tells that all of these bytes were sent, or on_cancel. 0: under way;
 * 1: nothing has to be sent, because the size is 0 or the answer has no body, and on_writable is
 * not called. A file that ends early cuts the connection. */
int ebb_file(struct ebb_request *rq, int fd, uint64_t offset, uint64_t size);
int ebb_end(struct ebb_request *rq);
/* Tells the gateway that the request was not started, so that another instance may take it: 503
 * with x-ebb-nack. Allowed only before the request has had any effect. */
int ebb_nack(struct ebb_request *rq);
/* 500, or a cut connection if the answer had begun; logged with the request's id. */
void ebb_fail(struct ebb_request *rq, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- time, cancellation, work behind an answer ---- */

/* Calls fn once, ms from now, unless the request ends before. A request has one such sleep at a
 * time. */
void ebb_sleep(struct ebb_request *rq, uint64_t ms, ebb_callback *fn, void *ctx);
/* fn is called once if the client goes away or the deadline passes before the answer is done. The
 * request is gone when fn returns. */
void ebb_on_cancel(struct ebb_request *rq, ebb_callback *fn, void *ctx);

/* A timer in memory of the caller, zeroed before its first use. It may be set again, also by its
 * callback. */
struct ebb_timer {
	void (*on_due)(struct ebb_timer *t);
	void *ctx;
	uint64_t due_ns;
	size_t place; /* the library's */
};
int ebb_timer_set(struct ebb *e, struct ebb_timer *t, uint64_t ms);
void ebb_timer_off(struct ebb *e, struct ebb_timer *t);

/* waitUntil: the instance stays awake until every ebb_work of the request has ended, or
 * the deadline of the request passes. Client and request may be gone long before. NULL
 * without memory. */
struct ebb_work *ebb_wait_until_begin(struct ebb_request *rq);
void ebb_wait_until_end(struct ebb_work *work); /* and frees it */
/* fn is called at the deadline. ebb does not keep the instance awake for the work any more; the
 * caller still has to call ebb_wait_until_end. */
void ebb_work_on_deadline(struct ebb_work *work, void (*fn)(struct ebb_work *work, void *ctx),
			  void *ctx);

/* ---- queues (docs/guide/queues.md) ---- */

/* A message of a topic. Its texts, and the body, which has a NUL behind it, live as long as the
 * call that gives it (ebb_queue_fn), or as the request (ebb_queue_pushed). */
struct ebb_message {
	const char *topic, *consumer, *id, *receipt, *type; /* type: its Content-Type */
	unsigned int delivery_count;                        /* 1 at the first delivery */
	const char *body;
	size_t size;
};

/* The end of a call. error is 0; or the status of an answer that refuses (400 and above), and text
 * says why; or -errno when there was no answer, and nobody knows whether the call was done. */
struct ebb_queue_reply {
	int error;
	const char *text; /* the id of a message that was sent, or why it was refused, or "" */
	const struct ebb_message *messages; /* that were received */
	size_t count;
};

/* Each call takes copies of its arguments and ends with one call of fn, unless the request ends
 * before: then it is done all the same, or not, if the instance is frozen first. So a function
 * answers in fn. A call returns -EINVAL for names or values that the protocol does not have,
 * -EMSGSIZE for a body of more than 4 MiB, and -ENXIO where EBB_QUEUE_URL is not set: the service
 * has no queues. fn is not called then. fn may be NULL. */
typedef void ebb_queue_fn(struct ebb_request *rq, const struct ebb_queue_reply *reply, void *ctx);

/* The words of a message that a sender may say; 0 and NULL: nothing is said. */
struct ebb_queue_options {
	const char *type;            /* application/octet-stream */
	const char *idempotency_key; /* a second message with it is the first one */
	const char *key;             /* messages with the same one are delivered in order */
	uint32_t delay_s, retention_s;
};
/* Sends a message; options may be NULL. It is on the disk when fn gets its id. */
int ebb_queue_send(struct ebb_request *rq, const char *topic, const void *body, size_t size,
		   const struct ebb_queue_options *options, ebb_queue_fn *fn, void *ctx);
#define EBB_QUEUE_MESSAGES_MAX 10
/* Takes up to max messages that wait for this consumer. Each comes again visibility_s later (0 to
 * 3600), unless it was acknowledged. */
int ebb_queue_receive(struct ebb_request *rq, const char *topic, const char *consumer,
		      unsigned int max, uint32_t visibility_s, ebb_queue_fn *fn, void *ctx);
/* The message was handled and does not come again; topic, consumer and receipt are used. */
int ebb_queue_acknowledge(struct ebb_request *rq, const struct ebb_message *message,
			  ebb_queue_fn *fn, void *ctx);
/* The message comes again in so many seconds, counted from now. */
int ebb_queue_extend(struct ebb_request *rq, const struct ebb_message *message, uint32_t seconds,
		     ebb_queue_fn *fn, void *ctx);
/* The message that a request to the path of a trigger carries (a CloudEvent in binary mode); its
 * body is that of the request (ebb_body_read), and NULL here. An answer of 2xx acknowledges it.
 * -EINVAL: the request is no message. */
int ebb_queue_pushed(const struct ebb_request *rq, struct ebb_message *out);

/* Lines on stdout, each tagged with the request's id: `ebb logs --request ID`. */
void ebb_log(const struct ebb_request *rq, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void ebb_work_log(const struct ebb_work *work, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
