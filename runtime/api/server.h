/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/1.1 server on api.sock: connections, keep-alive, bodies, back-pressure. */
#ifndef EBB_API_SERVER_H
#define EBB_API_SERVER_H

#include <stdint.h>

struct api;
struct server;

/* Takes listener_fd. spool_dir_fd is borrowed: large bodies go there. 0 or -errno. */
int server_new(struct api *api, int listener_fd, int spool_dir_fd, uint64_t upload_bytes_max,
	       struct server **out);
void server_free(struct server *server);
/* Call behind every event: sends and reads where that has become possible, and ends finished
 * connections. Returns how many are open. */
unsigned int server_turn(struct server *server, uint64_t now_ns);

#endif
