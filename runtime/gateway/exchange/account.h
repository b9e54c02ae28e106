/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request is accounted for once, when it is over: in the counters of its service
 * (runtime/wire/stats.h) and, if asked for, as a line of JSON in the access log.
 *
 * The lines of a round of the loop leave together, by one write(2) into a pipe that ebb-api empties
 * into a file. A reader that is too slow loses lines, which are counted; it never holds up a
 * request. Nothing is written while access_log is 0.
 */
#ifndef EBB_GATEWAY_ACCOUNT_H
#define EBB_GATEWAY_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/http/head.h"
#include "runtime/wire/stats.h"

struct client;
struct gateway;

#define ACCESS_METHOD_SIZE 24
#define ACCESS_HOST_SIZE   128
#define ACCESS_TARGET_SIZE 512
#define ACCESS_AGENT_SIZE  128
#define ACCESS_BUFFER_SIZE 65536u

/* Parts of the head that the line needs when the head is long gone; longer texts are cut. */
struct access_note {
	uint16_t method_size, host_size, target_size, agent_size;
	char method[ACCESS_METHOD_SIZE], host[ACCESS_HOST_SIZE];
	char target[ACCESS_TARGET_SIZE], agent[ACCESS_AGENT_SIZE];
};

struct account {
	struct stats *stats;
	uint32_t access_every;     /* 0 none, 1 all, N one of N; errors always unless 0 */
	int access_fd;             /* write end of the pipe, non-blocking */
	struct access_note *notes; /* one per client; touched only while access_every is not 0 */
	uint64_t lost_lines;
	uint32_t pending;
	char lines[ACCESS_BUFFER_SIZE];
};

/* 0 or -ENOMEM. stats_fd is mapped and stays the caller's; access_fd is taken. */
int account_init(struct account *a, int stats_fd, int access_fd, uint32_t access_every,
		 uint32_t client_count);
/* A head was read: c is READY. */
void account_begin(struct gateway *g, struct client *c, const struct http_head *head);
/* The exchange is over; aborted: the client does not get all of its answer. Once for each, as c
 * leaves the states that have an exchange. */
void account_end(struct gateway *g, const struct client *c, bool aborted);
/* Before the loop waits: hands the lines on. */
void account_flush(struct gateway *g);

#endif
