/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: epoll(7), level-triggered, one event at a time. */
#ifndef EBB_API_LOOP_H
#define EBB_API_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Embedded in whatever owns the descriptor, which stays the owner's. */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop;

int loop_new(struct loop **out); /* 0 or -errno */
void loop_free(struct loop *loop);
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events); /* 0 or -errno */
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* Before the descriptor is closed. The source may be freed at once, even from its own ready. */
void loop_remove(struct loop *loop, struct loop_source *source);

/* Runs until loop_stop. after(ctx) is called behind every event and says in how many ms it wants to
 * be called again at the latest (-1: no hurry). Returns what loop_stop was given, or -errno. */
int loop_run(struct loop *loop, int (*after)(void *ctx), void *ctx);
void loop_stop(struct loop *loop, int result);

#endif
