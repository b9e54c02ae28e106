/* SPDX-License-Identifier: Apache-2.0 */
/* Answers made of a file's bytes: all of them, one range, or several as multipart/byteranges. */
#ifndef EBB_STATIC_SEND_H
#define EBB_STATIC_SEND_H

#include "../native/ebb.h"
#include "file.h"
#include "range.h"

/* Answers with the whole file; takes over file->fd. 0 or -errno, also when -errno is returned the
 * descriptor is closed. */
int send_whole(struct ebb_request *rq, int status, const char *type, const struct file *file);
/* Answers 206 with these ranges of the file; takes over file->fd, as above. */
int send_ranges(struct ebb_request *rq, const char *type, const struct file *file,
		const struct range *ranges, int count);

#endif
