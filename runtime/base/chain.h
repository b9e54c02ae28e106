/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of things that embed their link. A link is in one chain at most; taking it out needs no
 * search, and adding it needs no memory. The head of a chain is a link too, tied to itself while
 * the chain is empty. chain_init every head and every link before use.
 */
#ifndef EBB_BASE_CHAIN_H
#define EBB_BASE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/container_of.h"
#include "runtime/base/mem.h"

struct chain {
	struct chain *next, *before;
};

static inline void chain_init(struct chain *c)
{
	c->next = c->before = c;
}

/* Whether nothing is in the chain of this head. */
static inline bool chain_is_empty(const struct chain *head)
{
	must(head->next->before == head && head->before->next == head);
	return head->next == head;
}

/* Whether this link is in a chain. */
static inline bool chain_is_linked(const struct chain *link)
{
	return !chain_is_empty(link);
}

/* Puts a link, which is in no chain, behind `at`. */
static inline void chain_insert(struct chain *at, struct chain *link)
{
	must(!chain_is_linked(link) && at->next->before == at);
	link->next = at->next;
	link->before = at;
	at->next->before = link;
	at->next = link;
}

static inline void chain_add_first(struct chain *head, struct chain *link)
{
	chain_insert(head, link);
}

static inline void chain_add_last(struct chain *head, struct chain *link)
{
	chain_insert(head->before, link);
}

/* Takes a link out; a link that is in no chain is fine. */
static inline void chain_remove(struct chain *link)
{
	must(link->next->before == link && link->before->next == link);
	link->next->before = link->before;
	link->before->next = link->next;
	chain_init(link);
}

/* The first link, which stays; NULL if the chain is empty. */
static inline struct chain *chain_first(const struct chain *head)
{
	return chain_is_empty(head) ? NULL : head->next;
}

/* Takes the first link out; NULL if the chain is empty. */
static inline struct chain *chain_take_first(struct chain *head)
{
	struct chain *link = chain_first(head);

	if (link)
		chain_remove(link);
	return link;
}

/* Moves all links of `from` into the empty chain `to`, in their order. */
static inline void chain_take_all(struct chain *from, struct chain *to)
{
	must(chain_is_empty(to));
	if (chain_is_empty(from))
		return;
	*to = *from;
	to->next->before = to->before->next = to;
	chain_init(from);
}

/* Loops over the things in order. The thing in hand may be taken out and freed, no other one. */
#define chain_each(thing, head, member)                                                          \
	for (struct chain *at_ = (head)->next, *next_ = at_->next;                               \
	     at_ != (head) && ((thing) = container_of(at_, __typeof__(*(thing)), member), true); \
	     at_ = next_, next_ = at_->next)

#endif
