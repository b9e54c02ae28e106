/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the sandbox tests: a zygote, an image directory, a cgroup, a claim. */
#ifndef EBB_TESTS_SANDBOX_RIG_H
#define EBB_TESTS_SANDBOX_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/sandbox.h"

#define RIG_ID_BASE 0x71000000u

struct rig {
	char dir[64]; /* /tmp/ebb-test-sandbox-XXXXXX: image, stage */
	char stage[96];
	char cgroups[96]; /* cgroup2 mount point */
	char init[512], guest[512];
	struct zygote *zygote;
	uint32_t next;
	bool with_ring; /* of what is armed */
};

/* Root, cgroup2 and a guest are there: 0; or a reason to skip. */
const char *rig_unavailable(void);
/* In a private mount namespace of the calling process. 0 or -errno, said on stderr. */
int rig_open(struct rig *r);
int rig_start(struct rig *r, uint32_t fail_step); /* the zygote */
void rig_close(struct rig *r);

/* One sandbox under test. */
struct box {
	struct armed armed;
	char cgroup[160];
	int output_fd; /* read end of the function's stdout and stderr */
};

/* Arms a sandbox, with a ring if r->with_ring, and blocks until it is armed. 0, -ECANCELED with
 * *fault, or -errno. */
int box_arm(struct rig *r, struct box *b, struct sandbox_word *fault);
/* Claims it with the image's directory as the only layer; argv ends with NULL. 0 or -errno. */
int box_claim(struct rig *r, struct box *b, const char *image, const struct wire_exec *exec,
	      int listen_fd);
/* The same ahead of need; a byte to *start_fd, which the caller owns, executes the command. */
int box_claim_ahead(struct rig *r, struct box *b, const char *image, const struct wire_exec *exec,
		    int listen_fd, int *start_fd);
/* Waits for the sandbox's word: 1 and *word; 0 at the end of file; -ETIMEDOUT or another -errno. */
int box_word(struct box *b, struct sandbox_word *word);
/* Everything the function wrote until it ended, NUL-terminated. */
void box_output(struct box *b, char *text, size_t size);
/* Kills what is left, waits for PID 1's end, removes the cgroup. */
void box_close(struct box *b);

/* An image directory in the rig with /bin/guest. Returns its path in path. */
int rig_image(struct rig *r, const char *name, char *path, size_t size);
/* uid 1000, cwd /, no environment but PATH. Words end with NULL. */
void exec_of(struct wire_exec *e, const char *const *argv);

#endif
