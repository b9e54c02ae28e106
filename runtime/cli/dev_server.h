/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private ebbd of `ebb dev`: it lives below a directory of its own, ends with this process
 * however that ends, and leaves nothing. The next one removes the remains of one that was killed.
 */
#ifndef EBB_CLI_DEV_SERVER_H
#define EBB_CLI_DEV_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct dev_server {
	char root[4000];   /* all it has; removed at the end */
	char socket[4096]; /* of its API */
	char listen[64];   /* ADDR:PORT */
	int lock_fd;       /* while it is held, root belongs to a process that lives */
	int notify_fd;     /* where it says READY=1 */
	int pid_fd;        /* readable when it ended */
	pid_t pid, cleaner;
	bool ready;
};

/* Makes the directory base/dev-XXXXXX, and has a child of this process remove those that dead ones
 * left beside it. listen: ADDR:PORT, or NULL: the first free port of 127.0.0.1 from 8080 on.
 * Returns an exit code, after having printed the error. */
int dev_server_init(struct dev_server *s, const char *base, const char *listen);
/* Starts ebbd, which is not ready then. Returns an exit code, after having printed the error. */
int dev_server_start(struct dev_server *s);
/* Takes what came to notify_fd; true when it became ready. */
bool dev_server_hears(struct dev_server *s);
/* It ended by itself. Prints the last lines of its log if that was before it was ready. */
void dev_server_reap(struct dev_server *s);
/* Ends it if it runs, and removes all that it had. Waits for both. */
void dev_server_end(struct dev_server *s);

#endif
