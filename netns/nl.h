/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink messages, written and sent (netlink(7)): one request, or a batch of nf_tables.
 *
 * The kernel has answered such requests before send(2) returns, so nothing here waits. A message
 * that did not fit its buffer is never sent (-ENOBUFS).
 */
#ifndef EBB_NETNS_NL_H
#define EBB_NETNS_NL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl {
	char *bytes; /* borrowed, aligned for struct nlmsghdr */
	size_t size, used;
	size_t message; /* where the last one begins */
	uint32_t count; /* messages that ask for an acknowledgement */
	bool full;
};

#define NL_ON(buffer)                                     \
	{                                                 \
		.bytes = (buffer), .size = sizeof(buffer) \
	}

/* Begins a message, with the body that its type has before the attributes. nl_end finishes it. */
void nl_begin(struct nl *n, uint16_t type, uint16_t flags, const void *body, size_t body_size);
void nl_end(struct nl *n);
void nl_put(struct nl *n, uint16_t type, const void *data, size_t size);
void nl_text(struct nl *n, uint16_t type, const char *text); /* with its NUL */
void nl_u16be(struct nl *n, uint16_t type, uint16_t value);
void nl_u32(struct nl *n, uint16_t type, uint32_t value);
void nl_u32be(struct nl *n, uint16_t type, uint32_t value);
void nl_u64be(struct nl *n, uint16_t type, uint64_t value);
/* Attributes inside an attribute: all between nl_nest and nl_nest_end. nl_nest_end takes the value
 * that nl_nest returned. */
size_t nl_nest(struct nl *n, uint16_t type);
void nl_nest_end(struct nl *n, size_t nest);
/* Bytes without an attribute's head (VETH_INFO_PEER begins with some). */
void nl_raw(struct nl *n, const void *data, size_t size);

/* Drops what waits to be read: answers to somebody who had this socket before. */
void nl_forget(int fd);
/* Sends and reads the acknowledgements: 0, or the first error that the kernel gave. */
int nl_exchange(int fd, const struct nl *n);
/* Sends a question and hands each answer to on_message, until the last. 0 or -errno. */
int nl_ask(int fd, const struct nl *n, void (*on_message)(void *self, const struct nlmsghdr *h),
	   void *self);

/* Finds the first attribute of this type behind a body of body_size bytes. NULL if there is none,
 * or if it has fewer than min bytes. */
const struct nlattr *nl_find(const struct nlmsghdr *h, size_t body_size, uint16_t type, size_t min);
/* The same among the attributes inside another one; NULL in, NULL out. */
const struct nlattr *nl_find_in(const struct nlattr *outer, uint16_t type, size_t min);
const void *nl_data(const struct nlattr *a);
size_t nl_size(const struct nlattr *a);

#endif
