/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image sources and their way to the server: files as they are, directories as the tar that tar(1)
 * makes of them, without a shell. A tar that fails aborts the upload, so that the server never
 * takes half a directory for a whole one.
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

/* Opens "oci:DIR[:REF]", "oci-archive:FILE[:REF]", "docker-archive:FILE[:REF]", "dir:ROOTFS". 0, or
 * -errno with a sentence. */
int upload_open(const char *source, struct upload *out, struct fault *f);
void upload_close(struct upload *upload);
/* A name for an image without one: the last part of the path, without ".tar". */
void upload_default_name(const struct upload *upload, char *name, size_t size);
/* Sends it as image `name`. CLI_DONE with the server's answer, or said. */
int upload_send(const struct call *call, struct upload *upload, const char *name,
		struct api_answer *out);

/* Starts a program found on PATH, stdout into a pipe when out_fd is not NULL. The pid or -errno. */
pid_t process_start(const char *const *argv, int *out_fd);
/* Its exit status, 128 + signal, or -errno. */
int process_wait(pid_t pid);

#endif
