// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/handshake.h"

#include <string.h>
#include <strings.h>

#include "runtime/http/sha1.h"

#define KEY_SIZE 24 /* 16 bytes in base64 */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The next item of a comma-separated list, trimmed, without its parameters (";..."). */
static bool next_item(struct http_slice *list, struct http_slice *item)
{
	const char *comma, *semicolon;

	if (list->size == 0)
		return false;
	comma = memchr(list->at, ',', list->size);
	*item = (struct http_slice){list->at, comma ? (size_t)(comma - list->at) : list->size};
	list->at += item->size + (comma ? 1 : 0);
	list->size -= item->size + (comma ? 1 : 0);
	semicolon = memchr(item->at, ';', item->size);
	if (semicolon)
		item->size = (size_t)(semicolon - item->at);
	while (item->size && (*item->at == ' ' || *item->at == '\t')) {
		item->at++;
		item->size--;
	}
	while (item->size && (item->at[item->size - 1] == ' ' || item->at[item->size - 1] == '\t'))
		item->size--;
	return true;
}

static bool same(struct http_slice a, struct http_slice b, bool any_case)
{
	return a.size == b.size &&
	       (any_case ? strncasecmp(a.at, b.at, a.size) == 0 : memcmp(a.at, b.at, a.size) == 0);
}

static bool named(const struct http_header *h, const char *name)
{
	return http_slice_is_nocase(h->name, name);
}

/* Whether some field of that name lists the item. */
static bool lists(const struct http_head *head, const char *name, struct http_slice wanted,
		  bool any_case)
{
	for (size_t i = 0; i < head->header_count; i++) {
		struct http_slice list = head->headers[i].value, item;

		while (named(&head->headers[i], name) && next_item(&list, &item))
			if (same(item, wanted, any_case))
				return true;
	}
	return false;
}

static bool lists_text(const struct http_head *head, const char *name, const char *wanted)
{
	return lists(head, name, (struct http_slice){wanted, strlen(wanted)}, true);
}

/* Whether the request listed every item of that field of the answer. */
static bool all_offered(const struct http_head *response, const struct http_head *request,
			const char *name, bool any_case)
{
	for (size_t i = 0; i < response->header_count; i++) {
		struct http_slice list = response->headers[i].value, item;

		while (named(&response->headers[i], name) && next_item(&list, &item))
			if (!lists(request, name, item, any_case))
				return false;
	}
	return true;
}

/* The value of a field that must be there once. */
static bool only(const struct http_head *head, const char *name, struct http_slice *value)
{
	size_t found = 0;

	for (size_t i = 0; i < head->header_count; i++) {
		if (!named(&head->headers[i], name))
			continue;
		*value = head->headers[i].value;
		found++;
	}
	return found == 1;
}

static size_t count_of(const struct http_head *head, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < head->header_count; i++)
		found += named(&head->headers[i], name);
	return found;
}

static bool key_ok(struct http_slice key)
{
	if (key.size != KEY_SIZE || memcmp(key.at + KEY_SIZE - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < KEY_SIZE - 2; i++)
		if (!key.at[i] || !strchr(base64, key.at[i]))
			return false;
	return true;
}

/* RFC 6455 section 4.2.1. Host was checked with the head. */
static int check_websocket(struct http_head *head, const char **why)
{
	struct http_slice value;

	*why = NULL;
	if (!http_slice_is(head->method, "GET"))
		*why = "a WebSocket is asked for with GET";
	else if (head->minor_version != 1)
		*why = "a WebSocket needs HTTP/1.1";
	else if (!head->upgrade)
		*why = "Upgrade: websocket without Connection: upgrade";
	else if (head->framing != HTTP_NO_BODY || count_of(head, "transfer-encoding"))
		*why = "a WebSocket is asked for without a body";
	else if (!only(head, "sec-websocket-key", &value) || !key_ok(value))
		*why = "Sec-WebSocket-Key is not 16 bytes in base64";
	if (*why)
		return 400;
	if (!only(head, "sec-websocket-version", &value) || !http_slice_is(value, "13")) {
		*why = "only version 13 of WebSocket is spoken";
		return 426;
	}
	head->websocket = true;
	return 0;
}

/* Protocols that the gateway would have to speak itself: with such an upgrade a client could send
 * requests that the gateway never sees. */
static bool is_ours(struct http_slice item)
{
	return http_slice_is_nocase(item, "h2c") || http_slice_is_nocase(item, "h2") ||
	       (item.size >= 5 && strncasecmp(item.at, "HTTP/", 5) == 0) ||
	       (item.size >= 4 && strncasecmp(item.at, "TLS/", 4) == 0);
}

int http_upgrade_request(struct http_head *head, const char **why)
{
	if (lists_text(head, "upgrade", "websocket"))
		return check_websocket(head, why);
	if (head->framing != HTTP_NO_BODY)
		head->upgrade = false;
	for (size_t i = 0; i < head->header_count; i++) {
		struct http_slice list = head->headers[i].value, item;

		while (head->headers[i].field == HTTP_FIELD_UPGRADE && next_item(&list, &item))
			if (is_ours(item))
				head->upgrade = false;
	}
	return 0;
}

static void encode(const uint8_t *in, size_t size, char *out)
{
	for (size_t i = 0; i < size; i += 3) {
		size_t have = size - i < 3 ? size - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(have > 2 ? in[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			*out++ = k <= have ? base64[bits >> (18 - 6 * k) & 63] : '=';
	}
}

void websocket_accept(struct http_slice key, char out[WEBSOCKET_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_SIZE + sizeof(guid) - 1];
	uint8_t digest[SHA1_BYTES];

	memset(out, 0, WEBSOCKET_ACCEPT_SIZE);
	if (key.size != KEY_SIZE)
		return;
	memcpy(text, key.at, KEY_SIZE);
	memcpy(text + KEY_SIZE, guid, sizeof(guid) - 1);
	sha1(text, sizeof(text), digest);
	encode(digest, sizeof(digest), out);
}

/* RFC 6455 section 4.1, "the client MUST validate the server's response". */
static const char *check_accepted(const struct http_head *request, const struct http_head *response)
{
	struct http_slice key, value;
	char accept[WEBSOCKET_ACCEPT_SIZE];

	if (!only(response, "upgrade", &value) || !http_slice_is_nocase(value, "websocket"))
		return "its 101 does not say Upgrade: websocket";
	if (!only(request, "sec-websocket-key", &key))
		return "it accepts a WebSocket nobody asked for";
	websocket_accept(key, accept);
	if (!only(response, "sec-websocket-accept", &value) ||
	    !same(value, (struct http_slice){accept, sizeof(accept)}, false))
		return "its Sec-WebSocket-Accept is not the answer to the key";
	if (count_of(response, "sec-websocket-protocol") > 1 ||
	    !all_offered(response, request, "sec-websocket-protocol", false))
		return "its subprotocol was not offered";
	if (!all_offered(response, request, "sec-websocket-extensions", true))
		return "one of its extensions was not offered";
	return NULL;
}

bool http_upgrade_response(const struct http_head *request, const struct http_head *response,
			   const char **why)
{
	struct http_slice value;

	*why = NULL;
	if (response->minor_version != 1 || !lists_text(response, "connection", "upgrade"))
		*why = "its 101 does not say Connection: upgrade";
	else if (lists_text(request, "upgrade", "websocket"))
		*why = check_accepted(request, response);
	else if (!only(response, "upgrade", &value) ||
		 !all_offered(response, request, "upgrade", true))
		*why = "it switches to a protocol that was not offered";
	return *why == NULL;
}
