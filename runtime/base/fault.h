/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One error value: the failure, its place, and how to mend it.
 *
 * The layer that knows the cause fills the fault in and returns -errno. The layers above add their
 * place, and only a program prints the fault. The first cause stays, because later ones are its
 * consequences. A zeroed fault says that nothing went wrong. Pure.
 */
#ifndef EBB_BASE_FAULT_H
#define EBB_BASE_FAULT_H

#define FAULT_WHERE_SIZE 160
#define FAULT_WHAT_SIZE  512
#define FAULT_MEND_SIZE  200
#define FAULT_TEXT_SIZE  (FAULT_WHERE_SIZE + FAULT_WHAT_SIZE + FAULT_MEND_SIZE + 8)

struct fault {
	int err;                      /* a positive errno; 0 = nothing went wrong */
	char where[FAULT_WHERE_SIZE]; /* the step, file or thing: "ebbd.conf:12"; may be empty */
	char what[FAULT_WHAT_SIZE];   /* one sentence without a full stop */
	char mend[FAULT_MEND_SIZE];   /* a remedy; may be empty */
};

/* Notes what went wrong, unless a cause is known already. err: -errno, which is returned. A text
 * that does not fit is cut. f may be NULL: the caller wants no words. */
int fault_say(struct fault *f, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same in the words of errno, behind the text: "cannot open /x: No such file or directory". */
int fault_errno(struct fault *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Notes how to mend a failure, unless that is known already. */
void fault_mend(struct fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts a place in front of the known places: "start: ebbd.conf:12". */
void fault_at(struct fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes "where: what; mend" into buf of FAULT_TEXT_SIZE bytes. Returns buf. */
const char *fault_text(const struct fault *f, char *buf);

#endif
