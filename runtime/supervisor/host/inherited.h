/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that systemd, or another launcher, opened and keeps: LISTEN_PID, LISTEN_FDS and
 * LISTEN_FDNAMES of sd_listen_fds(3). Clients wait in the queues of these sockets while no ebbd
 * runs. A socket serves the `listen` setting with its address; a socket whose address no setting
 * names is served as well.
 */
#ifndef EBB_SUPERVISOR_INHERITED_H
#define EBB_SUPERVISOR_INHERITED_H

#include "runtime/base/fault.h"
#include "runtime/supervisor/host/config.h"

/* FileDescriptorName= of a socket whose connections begin with a PROXY header. */
#define INHERITED_PROXY "proxy"

struct inherited {
	uint32_t count;
	struct inherited_socket {
		int fd;           /* stays open until ebbd ends */
		char address[64]; /* as `listen` has it */
		bool proxy;
	} sockets[LISTENERS_MAX];
};

/* Takes the sockets that the environment names, and clears these variables: a second call takes
 * none. 0, or -errno with a sentence if one is no listening TCP socket. */
int inherited_take(struct inherited *out, struct fault *f);
/* Adds the sockets to the listeners of a configuration, in place of the default listener. 0, or
 * -EINVAL with a sentence. */
int inherited_add(const struct inherited *i, struct config *c, struct fault *f);
/* A new descriptor of the socket with this address, owned by the caller; -ENOENT or -errno. */
int inherited_listener(const struct inherited *i, const char *address);

#endif
