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
/* Behind every event: moves what has become movable, ends what is over. Returns how many
 * connections are open. */
unsigned int server_turn(struct server *server, uint64_t now_ns);

#endif
