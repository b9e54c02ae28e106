/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that instances of a namespace share, such as pages of Next.js, and marks of tags: pages.db
 * beside flow.db. A cache may lose a value, and never hides a mark: one that is dropped takes along
 * every value before it, and the floor of the namespace rises to its time, so that readers know
 * that older copies of their own may be void. Each call is one transaction, durable when it
 * returns. Every function may block on the disk.
 */
#ifndef EBB_FLOW_PAGES_H
#define EBB_FLOW_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_KEY_SIZE  129
#define MARK_TAG_SIZE  2049
#define PAGE_OVERHEAD  4096 /* of a value, beside its bytes: so many go at most for one */
#define PAGES_OF_SPACE (UINT64_C(128) << 20)
#define PAGES_OF_ALL   (UINT64_C(2) << 30)
#define MARKS_OF_SPACE 4096

struct pages;

/* Times are wall clock in ms, 0 = none. */
struct page_mark {
	char tag[MARK_TAG_SIZE];
	uint64_t number, stale_ms, expired_ms;
};

/* The newest mark of a namespace (0: none was ever made), and its floor. */
struct page_state {
	uint64_t newest, floor_ms;
};

/* Opens or makes pages.db in the present directory. A damaged one, one of a newer ebb, or anew: it
 * is made anew, every floor is now, and numbers of marks go on above those of before. 0 or -errno.
 */
int pages_open(struct pages **out, bool anew, uint64_t now_ms);
void pages_close(struct pages *p); /* NULL is fine */
/* Whether a write failed: nothing is right but closing it. */
int pages_broken(const struct pages *p);

int pages_state(struct pages *p, const char *space, struct page_state *out);
/* 1 and the bytes (malloc), 0: there is none, or -errno. */
int pages_get(struct pages *p, const char *space, const char *key, void **out, size_t *out_size);
/* The oldest of the namespace go where it is full; of all namespaces, those of the largest. */
int pages_put(struct pages *p, const char *space, const char *key, const void *bytes, size_t size);
/* Marks tags, all or none. */
int pages_mark(struct pages *p, const char *space, const struct page_mark *marks, size_t count,
	       uint64_t now_ms);
/* Calls each for marks behind a number, in order; a value other than 0 ends the walk. */
typedef int (*pages_mark_fn)(void *self, const struct page_mark *mark);
int pages_each_mark(struct pages *p, const char *space, uint64_t after, pages_mark_fn each,
		    void *self);

#endif
