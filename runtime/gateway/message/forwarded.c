// SPDX-License-Identifier: Apache-2.0
/*
 * Tells the function about the client: x-real-ip (which @vercel/functions reads), x-forwarded-* and
 * forwarded (RFC 7239). Only a trusted front is believed about other clients; these fields of any
 * other client are dropped.
 */
#include <string.h>

#include "runtime/gateway/message/forwarded.h"

static void write_element(struct writer *w, struct http_slice host, struct http_slice peer)
{
	bool v6 = memchr(peer.at, ':', peer.size) != NULL;

	writer_lit(w, "for=");
	v6 ? writer_lit(w, "\"[") : (void)0;
	writer_slice(w, peer);
	v6 ? writer_lit(w, "]\"") : (void)0;
	writer_lit(w, ";host=\"");
	writer_slice(w, host);
	writer_lit(w, "\";proto=http\r\n");
}

void forwarded_write(struct writer *w, struct http_slice host, struct http_slice peer)
{
	writer_lit(w, "x-forwarded-for: ");
	writer_slice(w, peer);
	writer_lit(w, "\r\nx-forwarded-proto: http\r\nx-forwarded-host: ");
	writer_slice(w, host);
	writer_lit(w, "\r\nx-real-ip: ");
	writer_slice(w, peer);
	writer_lit(w, "\r\nforwarded: ");
	write_element(w, host, peer);
}

/* All values of a field as one list, to be continued. */
static void write_list(struct writer *w, const struct http_head *head, const char *name)
{
	writer_text(w, name, strlen(name));
	writer_lit(w, ": ");
	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->field != HTTP_FIELD_FORWARDED || h->value.size == 0 ||
		    !http_slice_is_nocase(h->name, name))
			continue;
		writer_slice(w, h->value);
		writer_lit(w, ", ");
	}
}

/* Writes the first value if the front sent one, else what the gateway sees. */
static void write_one(struct writer *w, const struct http_head *head, const char *name,
		      struct http_slice otherwise)
{
	const struct http_header *h = http_find(head, name);

	writer_text(w, name, strlen(name));
	writer_lit(w, ": ");
	writer_slice(w, h && h->value.size ? h->value : otherwise);
	writer_lit(w, "\r\n");
}

/* The client behind a front that sends no x-real-ip: the last address of x-forwarded-for. The front
 * added that one, and the client may have made up the others. */
static struct http_slice real_ip(const struct http_head *head, struct http_slice peer)
{
	struct http_slice last = peer;

	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];
		size_t begin;

		if (h->field != HTTP_FIELD_FORWARDED || h->value.size == 0 ||
		    !http_slice_is_nocase(h->name, "x-forwarded-for"))
			continue;
		begin = h->value.size;
		while (begin > 0 && !strchr(", \t", h->value.at[begin - 1]))
			begin--;
		if (begin < h->value.size)
			last = (struct http_slice){h->value.at + begin, h->value.size - begin};
	}
	return last;
}

static bool is_ours(struct http_slice name)
{
	return http_slice_is_nocase(name, "x-forwarded-for") ||
	       http_slice_is_nocase(name, "x-forwarded-proto") ||
	       http_slice_is_nocase(name, "x-forwarded-host") ||
	       http_slice_is_nocase(name, "x-real-ip") || http_slice_is_nocase(name, "forwarded");
}

void forwarded_extend(struct writer *w, const struct http_head *head, struct http_slice host,
		      struct http_slice peer)
{
	write_list(w, head, "x-forwarded-for");
	writer_slice(w, peer);
	writer_lit(w, "\r\n");
	write_one(w, head, "x-forwarded-proto", (struct http_slice){"http", 4});
	write_one(w, head, "x-forwarded-host", host);
	write_one(w, head, "x-real-ip", real_ip(head, peer));
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].field == HTTP_FIELD_FORWARDED &&
		    !is_ours(head->headers[i].name))
			writer_field(w, &head->headers[i]);
	write_list(w, head, "forwarded");
	write_element(w, host, peer);
}
