/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request is accounted for once, when it is over: in the counters of its service
 * (runtime/wire/stats.h) and, if the setting access_log asks for it, as a line of JSON in the
 * access log.
 *
 * The lines of one round of the loop leave together, by one write(2) into a pipe that ebb-api
 * empties into a file. If the reader is too slow, lines are lost and counted; a request never waits
 * for it. While access_log is 0, nothing is written.
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

/* The parts of the head that the line needs when the head is long gone. Longer texts are cut; there
 * are no terminators. */
struct access_note {
	uint16_t method_size, host_size, target_size, agent_size;
	char method[ACCESS_METHOD_SIZE], host[ACCESS_HOST_SIZE];
	char target[ACCESS_TARGET_SIZE], agent[ACCESS_AGENT_SIZE];
};

struct account {
	struct stats *stats;
	uint32_t access_every;     /* 0 none, 1 all, N one of N and every error */
	int access_fd;             /* write end of the pipe, non-blocking */
	struct access_note *notes; /* one per client; touched only while access_every is not 0 */
	uint64_t lost_lines;
	uint32_t pending;
	char lines[ACCESS_BUFFER_SIZE];
};

/* Maps stats_fd (borrowed) for writing and takes access_fd over. 0 or -errno. */
int account_init(struct account *a, int stats_fd, int access_fd, uint32_t access_every,
		 uint32_t client_count);
/* The request of c is READY: notes parts of its head. head NULL: the head could not be read. */
void account_begin(struct gateway *g, struct client *c, const struct http_head *head);
/* The exchange is over: counts it, and writes its line. aborted: the client does not get all of its
 * answer. Call it once for each exchange, as c leaves the states that have one. */
void account_end(struct gateway *g, const struct client *c, bool aborted);
/* Call this before the loop waits: writes the lines into the pipe. */
void account_flush(struct gateway *g);

#endif
