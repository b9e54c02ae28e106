/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/1.1 server on api.sock: connections, keep-alive, bodies, back-pressure. */
#ifndef EBB_API_SERVER_H
#define EBB_API_SERVER_H

#include <stdint.h>

struct api;
struct loop;
struct request;
struct route;
struct server;

struct server_options {
	struct api *api;
	struct loop *loop;
	int spool_dir_fd; /* borrowed: large bodies go there */
	uint64_t upload_bytes_max;
	/* The route of a request; NULL after having answered. */
	const struct route *(*route_find)(struct request *rq);
	/* The client of this request is gone: nobody may answer it any more. */
	void (*forget)(struct api *api, struct request *rq);
};

/* Takes listener_fd. 0 or -errno. */
int server_new(const struct server_options *options, int listener_fd, struct server **out);
void server_free(struct server *server);
/* To be called behind every event: sends and reads where that has become possible, and ends
 * finished connections. Returns how many connections are open or wait for a descriptor. */
unsigned int server_turn(struct server *server, uint64_t now_ns);

#endif
