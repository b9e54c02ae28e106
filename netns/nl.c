// SPDX-License-Identifier: Apache-2.0
#include "netns/nl.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_BYTES 32768

static void *take(struct nl *n, size_t size)
{
	size_t whole = NLMSG_ALIGN(size);
	char *at = n->bytes + n->used;

	if (n->full || whole > n->size - n->used) {
		n->full = true;
		return NULL;
	}
	memset(at, 0, whole);
	n->used += whole;
	return at;
}

void nl_raw(struct nl *n, const void *data, size_t size)
{
	void *at = take(n, size);

	if (at && size > 0)
		memcpy(at, data, size);
}

void nl_begin(struct nl *n, uint16_t type, uint16_t flags, const void *body, size_t body_size)
{
	struct nlmsghdr *h;

	n->message = n->used;
	h = take(n, NLMSG_HDRLEN);
	if (h)
		*h = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};
	nl_raw(n, body, body_size);
	if (flags & NLM_F_ACK)
		n->count++;
}

void nl_end(struct nl *n)
{
	struct nlmsghdr *h = (void *)(n->bytes + n->message);

	if (!n->full)
		h->nlmsg_len = (uint32_t)(n->used - n->message);
}

void nl_put(struct nl *n, uint16_t type, const void *data, size_t size)
{
	struct nlattr *a = take(n, NLA_HDRLEN + size);

	if (!a)
		return;
	*a = (struct nlattr){.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size)};
	if (size > 0)
		memcpy((char *)a + NLA_HDRLEN, data, size);
}

void nl_text(struct nl *n, uint16_t type, const char *text)
{
	nl_put(n, type, text, strlen(text) + 1);
}

void nl_u16be(struct nl *n, uint16_t type, uint16_t value)
{
	uint16_t be = htons(value);

	nl_put(n, type, &be, sizeof(be));
}

void nl_u32(struct nl *n, uint16_t type, uint32_t value)
{
	nl_put(n, type, &value, sizeof(value));
}

void nl_u32be(struct nl *n, uint16_t type, uint32_t value)
{
	nl_u32(n, type, htonl(value));
}

void nl_u64be(struct nl *n, uint16_t type, uint64_t value)
{
	uint64_t be = htobe64(value);

	nl_put(n, type, &be, sizeof(be));
}

size_t nl_nest(struct nl *n, uint16_t type)
{
	size_t nest = n->used;

	nl_put(n, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void nl_nest_end(struct nl *n, size_t nest)
{
	struct nlattr *a = (void *)(n->bytes + nest);

	if (!n->full)
		a->nla_len = (uint16_t)(n->used - nest);
}

static int send_all(int fd, const struct nl *n)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent;

	if (n->full)
		return -ENOBUFS;
	sent = sendto(fd, n->bytes, n->used, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	if (sent < 0)
		return -errno;
	return (size_t)sent == n->used ? 0 : -EMSGSIZE;
}

/* One datagram. Its bytes or -errno. */
static int receive(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n <= size ? (int)n : -EMSGSIZE;
}

void nl_forget(int fd)
{
	char buf[ANSWER_BYTES];
	int r;

	do
		r = receive(fd, buf, sizeof(buf));
	while (r >= 0 || r == -ENOBUFS || r == -EMSGSIZE);
}

/* The kernel's answers to what was sent. */
struct answers {
	uint32_t verdicts;                                        /* errors and acknowledgements */
	int err;                                                  /* the first error */
	void (*on_message)(void *self, const struct nlmsghdr *h); /* everything else; or NULL */
	void *self;
};

static void take_message(struct answers *a, const struct nlmsghdr *h)
{
	if (h->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		a->verdicts++;
		if (a->err == 0)
			a->err = e->error;
	} else if (h->nlmsg_type != NLMSG_DONE && a->on_message) {
		a->on_message(a->self, h);
	}
}

/* Sends n and reads all that lies there then. 0, or -errno: of sending, of a verdict, of reading.
 */
static int exchange(int fd, const struct nl *n, struct answers *a)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = send_all(fd, n), size;

	if (r < 0)
		return r;
	while ((size = receive(fd, buf, sizeof(buf))) >= 0) {
		const struct nlmsghdr *h = (const void *)buf;

		for (unsigned int left = (unsigned int)size; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left))
			take_message(a, h);
	}
	if (a->err < 0)
		return a->err;
	return size == -EAGAIN ? 0 : size;
}

int nl_exchange(int fd, const struct nl *n)
{
	struct answers a = {0};
	int r = exchange(fd, n, &a);

	return r < 0 || a.verdicts >= n->count ? r : -EIO;
}

int nl_ask(int fd, const struct nl *n, void (*on_message)(void *self, const struct nlmsghdr *h),
	   void *self)
{
	struct answers a = {.on_message = on_message, .self = self};

	return exchange(fd, n, &a);
}

static const struct nlattr *search(const char *at, size_t left, uint16_t type, size_t min)
{
	while (left >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)at;
		size_t whole = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > left)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return nl_size(a) >= min ? a : NULL;
		if (whole > left)
			return NULL;
		at += whole;
		left -= whole;
	}
	return NULL;
}

const struct nlattr *nl_find(const struct nlmsghdr *h, size_t body_size, uint16_t type, size_t min)
{
	size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(body_size);

	return h->nlmsg_len < head ? NULL
				   : search((const char *)h + head, h->nlmsg_len - head, type, min);
}

const struct nlattr *nl_find_in(const struct nlattr *outer, uint16_t type, size_t min)
{
	return outer ? search(nl_data(outer), nl_size(outer), type, min) : NULL;
}

const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

size_t nl_size(const struct nlattr *a)
{
	return a->nla_len - (size_t)NLA_HDRLEN;
}
