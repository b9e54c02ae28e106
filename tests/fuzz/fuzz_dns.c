// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of DNS as ebb-dns reads them: questions of an instance, answers of a resolver. The first
 * byte chooses. No answer shows or opens an address that a policy denies, and each that goes out
 * fits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netns/ranges.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/dns/packet.h"
#include "runtime/dns/pointers.h"
#include "tests/fuzz/fuzz.h"

#define ID 0x1234

static const uint8_t asked[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3api\7example\3com\0\0\1\0\1";

static void check_question(const uint8_t *data, size_t size)
{
	struct packet_question q;
	struct packet *p = NULL;
	SCOPED_MEM uint8_t *sent = NULL, *answer = NULL;
	size_t sent_size = 0, answer_size = 0;
	uint8_t head[12];
	int rcode = 0;

	if (packet_read_question(data, size, &p, &q, &rcode) < 0) {
		if (packet_write_unread(data, size, head))
			claim(head[0] == data[0] && head[1] == data[1] && head[2] & 0x80);
		return;
	}
	claim(text_is_printable(q.name) && strlen(q.name) < PACKET_NAME_SIZE);
	claim(q.udp_bytes >= PACKET_PLAIN_BYTES && q.udp_bytes <= PACKET_UDP_BYTES);
	sent = packet_write_question(p, ID, &sent_size);
	claim(!sent || (sent_size > 12 && sent[0] == ID >> 8 && sent[1] == (ID & 0xff)));
	answer = packet_write_answer(p, NULL, rcode, NULL, q.udp_bytes, &answer_size);
	claim(!answer || answer_size <= q.udp_bytes);
	packet_free(p);
}

static void check_answer(const uint8_t *data, size_t size, uint32_t mode)
{
	struct wire_egress egress = {.mode = mode};
	struct packet_answer a;
	struct packet_question q;
	struct packet *p = NULL;
	int rcode = 0;

	claim(packet_read_question(asked, sizeof(asked) - 1, &p, &q, &rcode) == 0);
	if (packet_read_answer(data, size, p, ID, &egress, &a) == 0) {
		size_t written = 0;
		SCOPED_MEM uint8_t *bytes =
			packet_write_answer(p, a.packet, 0, NULL, PACKET_UDP_BYTES, &written);

		claim(!bytes || written <= PACKET_UDP_BYTES);
		claim(a.open_count <= NET_OPEN_MAX && a.ttl_s <= NET_OPEN_TTL_S);
		claim(a.open_count == 0 || mode == WIRE_EGRESS_LISTED);
		for (uint32_t i = 0; i < a.open_count; i++)
			claim(net_is_public(a.open[i]));
		packet_free(a.packet);
	}
	packet_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > POINTERS_MESSAGE_MAX)
		return 0;
	(void)pointers_are_few(data + 1, size - 1);
	if (data[0] % 3 == 0)
		check_question(data + 1, size - 1);
	else
		check_answer(data + 1, size - 1,
			     data[0] % 3 == 1 ? WIRE_EGRESS_INTERNET : WIRE_EGRESS_LISTED);
	return 0;
}
