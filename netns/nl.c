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

int nl_exchange(int fd, const struct nl *n)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = send_all(fd, n), size, err = 0;
	uint32_t heard = 0;

	if (r < 0)
		return r;
	while ((size = receive(fd, buf, sizeof(buf))) >= 0) {
		const struct nlmsghdr *h = (const void *)buf;

		for (unsigned int left = (unsigned int)size; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			heard++;
			if (err == 0)
				err = e->error;
		}
	}
	if (err < 0)
		return err;
	if (size != -EAGAIN)
		return size;
	return heard >= n->count ? 0 : -EIO;
}

int nl_ask(int fd, const struct nl *n, void (*on_message)(void *self, const struct nlmsghdr *h),
	   void *self)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = send_all(fd, n), size, err = 0;

	if (r < 0)
		return r;
	while ((size = receive(fd, buf, sizeof(buf))) >= 0) {
		const struct nlmsghdr *h = (const void *)buf;

		for (unsigned int left = (unsigned int)size; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				err = ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			else if (h->nlmsg_type != NLMSG_DONE)
				on_message(self, h);
		}
	}
	if (err < 0)
		return err;
	return size == -EAGAIN ? 0 : size;
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

const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

size_t nl_size(const struct nlattr *a)
{
	return a->nla_len - (size_t)NLA_HDRLEN;
}
