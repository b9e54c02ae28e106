// SPDX-License-Identifier: Apache-2.0
#include "runtime/dns/packet.h"

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/dns/pointers.h"
#include "runtime/dns/policy.h"

#define HEAD_BYTES     12
#define QR_BYTE        2
#define QR_BIT         0x80
#define TTL_MOST_S     NET_OPEN_TTL_S /* nobody keeps an address longer than it is open */
#define LOCAL_TTL_S    60
#define ANSWER_RRS_MAX 256

/* A struct packet is an ldns_pkt; this file alone knows. */
static ldns_pkt *inside(const struct packet *p)
{
	return (ldns_pkt *)(uintptr_t)p;
}

void packet_free(struct packet *p)
{
	if (p)
		ldns_pkt_free(inside(p));
}

static const ldns_rr *question_of(const ldns_pkt *p)
{
	const ldns_rr_list *list = ldns_pkt_question(p);

	return list && ldns_rr_list_rr_count(list) == 1 ? ldns_rr_list_rr(list, 0) : NULL;
}

/* ldns writes what is no plain letter as an escape, which no policy matches. */
static int read_name(const ldns_rr *rr, char *out, size_t size)
{
	SCOPED_MEM char *text = ldns_rdf2str(ldns_rr_owner(rr));
	size_t n = text ? strlen(text) : 0;

	if (n == 0 || n > size)
		return -EBADMSG;
	if (text[n - 1] == '.')
		text[--n] = '\0';
	if (n == 0)
		(void)text_copy(out, size, ".");
	else if (text_copy(out, size, text) < 0)
		return -EBADMSG;
	for (char *c = out; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	return text_is_printable(out) ? 0 : -EBADMSG;
}

/* An error that answers the question, or 0. Whole zones are nobody's to take through here. */
static int refusal_of(const ldns_pkt *p, const ldns_rr *rr)
{
	if (ldns_pkt_get_opcode(p) != LDNS_PACKET_QUERY)
		return PACKET_NOTIMP;
	switch (ldns_rr_get_type(rr)) {
	case LDNS_RR_TYPE_AXFR:
	case LDNS_RR_TYPE_IXFR:
	case LDNS_RR_TYPE_MAILA:
	case LDNS_RR_TYPE_MAILB:
		return PACKET_REFUSED;
	default:
		return ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN ? 0 : PACKET_REFUSED;
	}
}

int packet_read_question(const uint8_t *bytes, size_t size, struct packet **out,
			 struct packet_question *out_question, int *out_rcode)
{
	struct packet_question q = {.udp_bytes = PACKET_PLAIN_BYTES};
	ldns_pkt *p = NULL;
	const ldns_rr *rr;

	if (ldns_wire2pkt(&p, bytes, size) != LDNS_STATUS_OK)
		return -EBADMSG;
	rr = question_of(p);
	if (ldns_pkt_qr(p) || !rr || read_name(rr, q.name, sizeof(q.name)) < 0) {
		ldns_pkt_free(p);
		return -EBADMSG;
	}
	q.is_a = ldns_rr_get_type(rr) == LDNS_RR_TYPE_A;
	if (ldns_pkt_edns(p) && ldns_pkt_edns_udp_size(p) > PACKET_PLAIN_BYTES)
		q.udp_bytes = ldns_pkt_edns_udp_size(p) < PACKET_UDP_BYTES
				      ? ldns_pkt_edns_udp_size(p)
				      : PACKET_UDP_BYTES;
	*out_rcode = refusal_of(p, rr);
	*out_question = q;
	*out = (struct packet *)(void *)p;
	return 0;
}

/* ldns leaves parts out when it gets no memory for them, and says nothing. So all its copies and
 * all that it writes are looked at again. */
static bool is_whole(const ldns_rr *rr)
{
	if (!rr || !ldns_rr_owner(rr))
		return false;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
		if (!ldns_rr_rdf(rr, i))
			return false;
	return true;
}

static ldns_rr *copy_of(const ldns_rr *rr)
{
	ldns_rr *copy = ldns_rr_clone(rr);

	if (is_whole(copy) && ldns_rr_rd_count(copy) == ldns_rr_rd_count(rr))
		return copy;
	ldns_rr_free(copy);
	return NULL;
}

static ldns_pkt *new_packet(void)
{
	ldns_pkt *p = ldns_pkt_new();

	if (p && ldns_pkt_question(p) && ldns_pkt_answer(p) && ldns_pkt_authority(p) &&
	    ldns_pkt_additional(p))
		return p;
	ldns_pkt_free(p);
	return NULL;
}

/* A message about the same question. */
static ldns_pkt *begin(const ldns_pkt *asked, uint16_t id)
{
	ldns_pkt *p = new_packet();
	ldns_rr *rr = p ? copy_of(question_of(asked)) : NULL;

	if (!rr || !ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, rr)) {
		ldns_rr_free(rr);
		ldns_pkt_free(p);
		return NULL;
	}
	ldns_pkt_set_id(p, id);
	ldns_pkt_set_rd(p, ldns_pkt_rd(asked));
	ldns_pkt_set_cd(p, ldns_pkt_cd(asked));
	return p;
}

/* Whether these bytes say what the message says. */
static bool says(const uint8_t *bytes, size_t size, const ldns_pkt *p)
{
	ldns_pkt *read = NULL;
	bool same;

	if (!bytes || ldns_wire2pkt(&read, bytes, size) != LDNS_STATUS_OK)
		return false;
	same = ldns_rr_list_compare(ldns_pkt_question(p), ldns_pkt_question(read)) == 0 &&
	       ldns_rr_list_compare(ldns_pkt_answer(p), ldns_pkt_answer(read)) == 0 &&
	       ldns_rr_list_compare(ldns_pkt_authority(p), ldns_pkt_authority(read)) == 0;
	ldns_pkt_free(read);
	return same;
}

static uint8_t *write_and_free(ldns_pkt *p, size_t *out_size)
{
	uint8_t *bytes = NULL;
	bool written =
		ldns_pkt2wire(&bytes, p, out_size) == LDNS_STATUS_OK && says(bytes, *out_size, p);

	ldns_pkt_free(p);
	if (written)
		return bytes;
	free(bytes);
	return NULL;
}

static void say_edns(ldns_pkt *p, const ldns_pkt *asked)
{
	ldns_pkt_set_edns_udp_size(p, PACKET_UDP_BYTES);
	ldns_pkt_set_edns_do(p, ldns_pkt_edns_do(asked));
}

uint8_t *packet_write_question(const struct packet *asked, uint16_t id, size_t *out_size)
{
	ldns_pkt *p = begin(inside(asked), id);

	if (!p)
		return NULL;
	ldns_pkt_set_ad(p, ldns_pkt_ad(inside(asked)));
	say_edns(p, inside(asked));
	return write_and_free(p, out_size);
}

/* ---- answers ---- */

static bool same_question(const ldns_pkt *a, const ldns_pkt *b)
{
	const ldns_rr *one = question_of(a), *other = question_of(b);

	return one && other && ldns_rr_get_type(one) == ldns_rr_get_type(other) &&
	       ldns_rr_get_class(one) == ldns_rr_get_class(other) &&
	       ldns_dname_compare(ldns_rr_owner(one), ldns_rr_owner(other)) == 0;
}

/* The address in a record, IPv4 behind ::ffff. False: it has none. */
static bool read_address(const ldns_rr *rr, uint8_t out[16])
{
	const ldns_rdf *rdf = ldns_rr_rd_count(rr) == 1 ? ldns_rr_rdf(rr, 0) : NULL;

	memset(out, 0, 16);
	if (!rdf)
		return false;
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_A && ldns_rdf_size(rdf) == 4) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, ldns_rdf_data(rdf), 4);
		return true;
	}
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA && ldns_rdf_size(rdf) == 16) {
		memcpy(out, ldns_rdf_data(rdf), 16);
		return true;
	}
	return false;
}

static bool is_address(const ldns_rr *rr)
{
	return ldns_rr_get_type(rr) == LDNS_RR_TYPE_A || ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA;
}

/* Whether the record is handed on. An address that is to be opened and has no place any more is
 * left out, like one that is malformed. */
static bool takes(const ldns_rr *rr, const struct wire_egress *egress, struct packet_answer *a)
{
	uint8_t address[16];
	enum address_fate fate;

	if (!is_address(rr))
		return true;
	fate = read_address(rr, address) ? policy_address(egress, address) : ADDRESS_DROP;
	a->dropped |= fate == ADDRESS_DROP;
	if (fate == ADDRESS_OPEN && a->open_count == NET_OPEN_MAX)
		return false;
	if (fate == ADDRESS_OPEN) {
		memcpy(a->open[a->open_count++], address, sizeof(address));
		if (ldns_rr_ttl(rr) > a->ttl_s)
			a->ttl_s = ldns_rr_ttl(rr);
	}
	return fate != ADDRESS_DROP;
}

static int copy_section(ldns_pkt *to, ldns_pkt_section section, const ldns_rr_list *from,
			const struct wire_egress *egress, struct packet_answer *a)
{
	size_t count = from ? ldns_rr_list_rr_count(from) : 0;

	for (size_t i = 0; i < count && i < ANSWER_RRS_MAX; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(from, i);
		ldns_rr *copy;

		/* In the section of authorities an address has no business. */
		if (section == LDNS_SECTION_ANSWER ? !takes(rr, egress, a) : is_address(rr))
			continue;
		copy = copy_of(rr);
		if (!copy || !ldns_pkt_push_rr(to, section, copy)) {
			ldns_rr_free(copy);
			return -ENOMEM;
		}
		if (ldns_rr_ttl(copy) > TTL_MOST_S)
			ldns_rr_set_ttl(copy, TTL_MOST_S);
	}
	return 0;
}

static int judge(const ldns_pkt *p, const ldns_pkt *asked, const struct wire_egress *egress,
		 struct packet_answer *a)
{
	ldns_pkt_rcode rcode = ldns_pkt_get_rcode(p);
	ldns_pkt *clean = begin(asked, 0);
	int r;

	if (!clean)
		return -ENOMEM;
	a->cut = ldns_pkt_tc(p);
	a->failed = rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN;
	r = copy_section(clean, LDNS_SECTION_ANSWER, ldns_pkt_answer(p), egress, a);
	if (r == 0)
		r = copy_section(clean, LDNS_SECTION_AUTHORITY, ldns_pkt_authority(p), egress, a);
	if (r < 0) {
		ldns_pkt_free(clean);
		return r;
	}
	ldns_pkt_set_rcode(clean, rcode);
	ldns_pkt_set_ad(clean, ldns_pkt_ad(p) && !a->dropped);
	if (a->ttl_s > TTL_MOST_S)
		a->ttl_s = TTL_MOST_S;
	a->packet = (struct packet *)(void *)clean;
	return 0;
}

int packet_read_answer(const uint8_t *bytes, size_t size, const struct packet *asked, uint16_t id,
		       const struct wire_egress *egress, struct packet_answer *out)
{
	struct packet_answer a = {.packet = NULL};
	ldns_pkt *p = NULL;
	int r = -EBADMSG;

	if (!pointers_are_few(bytes, size) || ldns_wire2pkt(&p, bytes, size) != LDNS_STATUS_OK)
		return -EBADMSG;
	if (ldns_pkt_qr(p) && ldns_pkt_id(p) == id && same_question(p, inside(asked)))
		r = judge(p, inside(asked), egress, &a);
	ldns_pkt_free(p);
	if (r == 0)
		*out = a;
	return r;
}

static int push_address(ldns_pkt *p, const uint8_t *address)
{
	ldns_rr *rr = copy_of(question_of(p));
	ldns_rdf *rdf = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, 4, address);

	if (!rr || !rdf || !ldns_rr_push_rdf(rr, rdf)) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(rdf);
		return -ENOMEM;
	}
	ldns_rr_set_question(rr, false);
	ldns_rr_set_ttl(rr, LOCAL_TTL_S);
	if (ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr))
		return 0;
	ldns_rr_free(rr);
	return -ENOMEM;
}

/* The records of an answer. */
static int copy_list(ldns_pkt *to, ldns_pkt_section section, const ldns_rr_list *from)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(from); i++) {
		ldns_rr *copy = copy_of(ldns_rr_list_rr(from, i));

		if (!copy || !ldns_pkt_push_rr(to, section, copy)) {
			ldns_rr_free(copy);
			return -ENOMEM;
		}
	}
	return 0;
}

static ldns_pkt *copy_answer(const ldns_pkt *asked, const ldns_pkt *answer)
{
	ldns_pkt *p = begin(asked, 0);

	if (!p)
		return NULL;
	if (copy_list(p, LDNS_SECTION_ANSWER, ldns_pkt_answer(answer)) < 0 ||
	    copy_list(p, LDNS_SECTION_AUTHORITY, ldns_pkt_authority(answer)) < 0) {
		ldns_pkt_free(p);
		return NULL;
	}
	ldns_pkt_set_rcode(p, ldns_pkt_get_rcode(answer));
	ldns_pkt_set_ad(p, ldns_pkt_ad(answer));
	return p;
}

static ldns_pkt *make_answer(const ldns_pkt *asked, const ldns_pkt *answer, int rcode,
			     const uint8_t *address)
{
	ldns_pkt *p = answer ? copy_answer(asked, answer) : begin(asked, 0);

	if (!p)
		return NULL;
	if (!answer)
		ldns_pkt_set_rcode(p, (uint8_t)rcode);
	if (address && push_address(p, address) < 0) {
		ldns_pkt_free(p);
		return NULL;
	}
	ldns_pkt_set_id(p, ldns_pkt_id(asked));
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_ra(p, true);
	ldns_pkt_set_opcode(p, ldns_pkt_get_opcode(asked));
	if (ldns_pkt_edns(asked))
		say_edns(p, asked);
	return p;
}

uint8_t *packet_write_answer(const struct packet *asked, const struct packet *answer, int rcode,
			     const uint8_t *address, size_t most, size_t *out_size)
{
	ldns_pkt *p = make_answer(inside(asked), answer ? inside(answer) : NULL, rcode, address);
	uint8_t *bytes = p ? write_and_free(p, out_size) : NULL;

	if (!bytes || *out_size <= most)
		return bytes;
	free(bytes);
	p = make_answer(inside(asked), NULL, rcode, NULL);
	if (!p)
		return NULL;
	ldns_pkt_set_tc(p, true);
	return write_and_free(p, out_size);
}

bool packet_write_unread(const uint8_t *bytes, size_t size, uint8_t out[12])
{
	if (size < HEAD_BYTES || bytes[QR_BYTE] & QR_BIT)
		return false;
	memset(out, 0, HEAD_BYTES);
	memcpy(out, bytes, QR_BYTE);                                /* the id */
	out[QR_BYTE] = (uint8_t)(QR_BIT | (bytes[QR_BYTE] & 0x79)); /* its opcode and RD */
	out[QR_BYTE + 1] = PACKET_FORMERR;
	return true;
}
