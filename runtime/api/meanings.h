/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meaning of another program's errno for the client of the REST API: the HTTP status, the
 * remedy (NULL: the sentence of the error says it), and the occasion. docs/reference/errors.md is
 * made from this table.
 */
#ifndef EBB_API_MEANINGS_H
#define EBB_API_MEANINGS_H

/* clang-format off */
#define API_MEANINGS(X) \
	X(ENOENT, 404, "ebb ls, ebb ps and ebb image ls show what there is", "the named thing is not there") \
	X(ESRCH, 404, "ebb ls, ebb ps and ebb image ls show what there is", "the instance ended meanwhile") \
	X(EBUSY, 503, "try again in a moment", "a table of ebb is full or locked") \
	X(EAGAIN, 409, "it is busy just now; try again in a moment", "the instance has work") \
	X(ENOBUFS, 503, "try again in a moment", "too much is asked at once") \
	X(EINVAL, 422, NULL, "ebbd refused what was asked") \
	X(ENETDOWN, 422, NULL, "this host cannot give instances the network that ebb.egress asks for") \
	X(EBADMSG, 422, "the archive is damaged or of another format; make it again", "an image that cannot be read") \
	X(E2BIG, 413, NULL, "an image beyond a limit of ebbd") \
	X(EFBIG, 413, NULL, "a file of an image beyond a limit of ebbd") \
	X(ENOSPC, 507, "free some space: ebb image gc", "no room on the disk or in a table") \
	X(EPIPE, 503, "see the log of ebbd; it starts what died again", "a program of ebb died meanwhile") \
	X(ENOTCONN, 503, "try again in a moment", "a program of ebb is being started again") \
	X(ETIMEDOUT, 504, "see the log of ebbd and try again", "a program of ebb did not answer in time") \
	X(EPERM, 409, NULL, "its state does not allow it") \
	X(ECANCELED, 409, NULL, "another request took its place") \
	X(EEXIST, 409, NULL, "it is there already")
/* clang-format on */

#endif
