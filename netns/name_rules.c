// SPDX-License-Identifier: Apache-2.0
/* Rules about names: the way of a question to ebb-dns and on to the host's resolvers, and the
 * addresses that an answer has opened. */
#include "netns/rules_inside.h"
#include "runtime/base/mem.h"

#define QUESTIONS_RATE  200 /* packets of questions a second, of an instance */
#define QUESTIONS_BURST 400
#define PORT_DNS        53

static const uint8_t dns_protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

/* A question to a port of host.internal, by an interface of this set. */
static void asks(struct rule *r, const struct writing *w, uint8_t protocol, uint16_t port,
		 const char *set)
{
	const uint16_t be = htons(port);

	byte_is(r, NFT_META_NFPROTO, NFPROTO_IPV4);
	byte_is(r, NFT_META_L4PROTO, protocol);
	rule_load_network(r, V4_TARGET, sizeof(w->table->host_v4), REG(0));
	rule_is(r, REG(0), w->table->host_v4, sizeof(w->table->host_v4));
	rule_load_transport(r, PORT_TARGET, sizeof(be), REG(0));
	rule_is(r, REG(0), &be, sizeof(be));
	rule_load_meta(r, NFT_META_IIF, REG(0));
	rule_is_in(r, REG(0), set);
}

/* In front of what lets open connections pass: questions count, not flows. */
void judge_questions(const struct writing *w)
{
	for (size_t i = 0; w->table->resolver_count > 0 && i < ARRAY_LEN(dns_protocols); i++) {
		struct rule r = begin_rule(w, "judge4");

		asks(&r, w, dns_protocols[i], PORT_DNS, SET_ASKS);
		rule_load_meta(&r, NFT_META_IIF, REG(0));
		rule_seldom(&r, REG(0), SET_QUESTIONS, QUESTIONS_RATE, QUESTIONS_BURST);
		finish(&r, NF_ACCEPT, NULL);
		r = begin_rule(w, "judge4");
		asks(&r, w, dns_protocols[i], PORT_DNS, SET_ASKS);
		refuse(&r, NET_REASON_QUESTIONS);
	}
}

/* ebb-dns asks the host's resolvers, whose number is the port. */
void judge_forwarded(const struct writing *w)
{
	for (uint32_t n = 0; n < w->table->resolver_count; n++)
		for (size_t i = 0; i < ARRAY_LEN(dns_protocols); i++) {
			struct rule r = begin_rule(w, "judge4");

			asks(&r, w, dns_protocols[i], (uint16_t)(PORT_DNS + n), SET_FORWARDS);
			finish(&r, NF_ACCEPT, NULL);
		}
}

/* Addresses of names, each with its port or with port 0. */
void judge_names(const struct writing *w, const struct family *f)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	const uint16_t no_port = 0;
	struct rule r;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		r = begin_rule(w, f->judge);
		byte_is(&r, NFT_META_L4PROTO, protocols[i]);
		load_pair(&r, NFT_META_IIF, f->target, f->size);
		rule_load_transport(&r, PORT_TARGET, sizeof(no_port), REG(1 + f->size / 4));
		rule_is_in(&r, REG(0), f->names);
		finish(&r, NF_ACCEPT, NULL);
	}
	r = begin_rule(w, f->judge);
	load_pair(&r, NFT_META_IIF, f->target, f->size);
	rule_load_value(&r, &no_port, sizeof(no_port), REG(1 + f->size / 4));
	rule_is_in(&r, REG(0), f->names);
	finish(&r, NF_ACCEPT, NULL);
}

/* Questions reach ebb-dns, and nothing else that is new reaches anybody. */
void receive_questions(const struct writing *w)
{
	const struct net_table *t = w->table;
	const uint16_t port = htons(t->dns_port);

	for (size_t i = 0; i < ARRAY_LEN(dns_protocols); i++) {
		struct rule r = begin_rule(w, "receiver");

		byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV4);
		byte_is(&r, NFT_META_L4PROTO, dns_protocols[i]);
		rule_load_transport(&r, PORT_TARGET, sizeof(port), REG(0));
		rule_is(&r, REG(0), &port, sizeof(port));
		address_is(&r, V4_SOURCE, 4, t->pool_v4, t->pool_v4_bits);
		address_is(&r, V4_TARGET, 4, t->dns_v4, 32);
		rule_load_meta(&r, NFT_META_OIF, REG(0));
		rule_is_in(&r, REG(0), SET_FORWARDS);
		finish(&r, NF_ACCEPT, NULL);
	}
}

/* A resolver that listens on the loopback (systemd-resolved) answers only the loopback. */
static void put_loopback_resolver(const struct writing *w, uint8_t protocol)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	const uint16_t port = htons(PORT_DNS);
	struct rule r = begin_rule(w, "asked");

	name_is(&r, NFT_META_IIFNAME, w->table->prefix, true);
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV4);
	byte_is(&r, NFT_META_L4PROTO, protocol);
	address_is(&r, V4_TARGET, sizeof(loopback), loopback, 8);
	rule_load_transport(&r, PORT_TARGET, sizeof(port), REG(0));
	rule_is(&r, REG(0), &port, sizeof(port));
	rule_load_value(&r, loopback, sizeof(loopback), REG(0));
	rule_translate(&r, NFT_NAT_SNAT, REG(0), 0);
	rule_end(&r);
}

static void send_to(struct rule *r, const uint8_t v4[4], uint16_t port)
{
	const uint16_t be = htons(port);

	rule_load_value(r, v4, 4, REG(0));
	rule_load_value(r, &be, sizeof(be), REG(1));
	rule_translate(r, NFT_NAT_DNAT, REG(0), REG(1));
	rule_end(r);
}

void translate_questions(const struct writing *w)
{
	const struct net_table *t = w->table;

	for (size_t i = 0; t->resolver_count > 0 && i < ARRAY_LEN(dns_protocols); i++) {
		struct rule r = begin_rule(w, "hostin");

		asks(&r, w, dns_protocols[i], PORT_DNS, SET_ASKS);
		send_to(&r, t->dns_v4, t->dns_port);
		for (uint32_t n = 0; n < t->resolver_count; n++) {
			r = begin_rule(w, "hostin");
			asks(&r, w, dns_protocols[i], (uint16_t)(PORT_DNS + n), SET_FORWARDS);
			send_to(&r, t->resolvers[n], PORT_DNS);
		}
		put_loopback_resolver(w, dns_protocols[i]);
	}
}
