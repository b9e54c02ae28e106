/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that systemd, or another launcher, opened and keeps: LISTEN_PID, LISTEN_FDS and
 * LISTEN_FDNAMES of sd_listen_fds(3). Clients wait in their queues while no ebbd runs. One is used
 * for the `listen` of its address; one that no `listen` names is served as well.
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

/* Takes what the environment tells of, and nothing the second time. 0, or -errno with a sentence
 * when one is no listening TCP socket. */
int inherited_take(struct inherited *out, struct fault *f);
/* Adds them to the listeners of a configuration, in place of the default one. 0, or -EINVAL with a
 * sentence. */
int inherited_add(const struct inherited *i, struct config *c, struct fault *f);
/* Another descriptor of the one with this address, or -ENOENT. */
int inherited_listener(const struct inherited *i, const char *address);

#endif
