/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image sources and their way to the server. A file is sent as it is; a directory is sent as the
 * tar that tar(1) makes of it, started without a shell. A tar that fails aborts the upload, so that
 * the server never takes half a directory for a whole one.
 */
#ifndef EBB_CLI_UPLOAD_H
#define EBB_CLI_UPLOAD_H

#include <sys/types.h>

#include "runtime/cli/api.h"

struct fault;

struct upload {
	const char *format; /* "oci-archive", "docker-archive", "rootfs" */
	char path[4096];
	char reference[256]; /* which image of several; "" = the only one */
	int fd;              /* the file, or the read end of tar's pipe */
	pid_t tar_pid;       /* 0 for files */
	uint64_t bytes;      /* 0 for directories */
};

/* Opens "oci:DIR[:REF]", "oci-archive:FILE[:REF]", "docker-archive:FILE[:REF]" or "dir:ROOTFS". 0
 * and *out (upload_close it), or -errno with a sentence in f. */
int upload_open(const char *source, struct upload *out, struct fault *f);
void upload_close(struct upload *upload);
/* A name for an image without one: the last part of the path, without ".tar". */
void upload_default_name(const struct upload *upload, char *name, size_t size);
/* Sends the source as image `name`. CLI_DONE with the server's answer in *out (api_answer_fini it),
 * or an exit code with the error printed. */
int upload_send(const struct call *call, struct upload *upload, const char *name,
		struct api_answer *out);

/* process.c. Starts a program found on PATH. If out_fd is not NULL, the program's standard output
 * goes into a pipe, whose read end *out_fd the caller owns. Returns the pid or -errno. */
pid_t process_start(const char *const *argv, int *out_fd);
/* Waits for the end of the program: its exit status, 128 + signal, or -errno. */
int process_wait(pid_t pid);

/* Runs a program and waits. Ctrl-C reaches both; this one ignores it meanwhile, as system(3) does,
 * so that it can remove files. As process_wait. */
int process_run(const char *const *argv);
/* Whether PATH has such a program. */
bool process_is_there(const char *name);

#endif
