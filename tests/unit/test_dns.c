// SPDX-License-Identifier: Apache-2.0
/* Names and addresses as ebb-dns decides about them, its messages, and how many addresses are open.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/dns/packet.h"
#include "runtime/dns/pointers.h"
#include "runtime/dns/policy.h"
#include "runtime/net/openings.h"

static void add_name(struct wire_egress *e, const char *name, uint16_t port)
{
	struct wire_egress_name *n = &e->names[e->name_count++];

	n->port = port;
	assert_int_equal(text_copy(n->name, sizeof(n->name), name), 0);
}

static void a_name_matches_itself_and_a_star_what_is_below(void **state)
{
	struct wire_egress e = {.mode = WIRE_EGRESS_LISTED};
	uint16_t ports[EGRESS_NAMES_MAX];

	add_name(&e, "api.example.com", 443);
	add_name(&e, "api.example.com", 80);
	add_name(&e, "*.example.org", 0);
	assert_int_equal(policy_name(&e, "api.example.com", ports), 2);
	assert_true(ports[0] == 443 && ports[1] == 80);
	assert_int_equal(policy_name(&e, "a.b.example.org", ports), 1);
	assert_int_equal(ports[0], 0);
	assert_int_equal(policy_name(&e, "example.org", ports), -1);
	assert_int_equal(policy_name(&e, "xexample.org", ports), -1);
	assert_int_equal(policy_name(&e, ".example.org", ports), -1);
	assert_int_equal(policy_name(&e, "api.example.com.evil.net", ports), -1);
	add_name(&e, "*", 53);
	assert_int_equal(policy_name(&e, "anything", ports), 1);
	e.mode = WIRE_EGRESS_INTERNET;
	assert_int_equal(policy_name(&e, "anything", ports), 0);
}

static const uint8_t public4[16] = {[10] = 0xff, [11] = 0xff, 198, 51, 100, 7};
static const uint8_t private4[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 5};

static struct wire_subnet subnet(const uint8_t address[16], uint32_t bits, uint16_t port)
{
	struct wire_subnet s = {
		.bits = bits, .port_first = port, .port_last = port ? port : UINT16_MAX};

	memcpy(s.address, address, sizeof(s.address));
	return s;
}

static void an_address_is_dropped_kept_or_opened(void **state)
{
	static const uint8_t all4[16] = {[10] = 0xff, [11] = 0xff};
	struct wire_egress e = {.mode = WIRE_EGRESS_INTERNET};

	assert_int_equal(policy_address(&e, public4), ADDRESS_KEEP);
	assert_int_equal(policy_address(&e, private4), ADDRESS_DROP);
	e.mode = WIRE_EGRESS_LISTED;
	assert_int_equal(policy_address(&e, public4), ADDRESS_OPEN);
	e.allow[e.allow_count++] = subnet(all4, 96, 0);
	assert_int_equal(policy_address(&e, private4), ADDRESS_DROP);
	e.allow[e.allow_count++] = subnet(private4, 128, 5432);
	assert_int_equal(policy_address(&e, private4), ADDRESS_KEEP);
	e.deny[e.deny_count++] = subnet(public4, 128, 80);
	assert_int_equal(policy_address(&e, public4), ADDRESS_OPEN);
	e.deny[e.deny_count++] = subnet(public4, 120, 0);
	e.deny[1].address[15] = 0;
	assert_int_equal(policy_address(&e, public4), ADDRESS_DROP);
}

static void only_so_many_addresses_are_open(void **state)
{
	SCOPED_MEM struct openings *o = calloc(1, sizeof(*o));
	uint8_t address[16] = {[10] = 0xff, [11] = 0xff, 198, 51};

	assert_non_null(o);
	for (uint8_t i = 0; i < OPENINGS_MAX; i++) {
		address[15] = i;
		assert_int_equal(openings_note(o, address, 0, 100 + i, 10), 0);
	}
	assert_int_equal(openings_note(o, address, 0, 500, 10), 0); /* it is there already */
	assert_int_equal(openings_note(o, address, 80, 500, 10), -ENOSPC);
	assert_int_equal(openings_note(o, address, 80, 500, 100), 0); /* the first one is over */
	assert_int_equal(openings_note(o, address, 81, 500, 100), -ENOSPC);
}

static const uint8_t asked[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3aPi\7example\3COM\0\0\1\0\1";

static void a_question_is_read_and_written_anew(void **state)
{
	struct packet_question q;
	struct packet *p = NULL;
	size_t size = 0;
	int rcode = -1;
	SCOPED_MEM uint8_t *bytes = NULL;

	assert_int_equal(packet_read_question(asked, sizeof(asked) - 1, &p, &q, &rcode), 0);
	assert_string_equal(q.name, "api.example.com");
	assert_true(q.is_a && q.udp_bytes == PACKET_PLAIN_BYTES && rcode == 0);
	bytes = packet_write_question(p, 0xabcd, &size);
	assert_non_null(bytes);
	assert_true(bytes[0] == 0xab && bytes[1] == 0xcd && bytes[11] == 1); /* with EDNS */
	assert_memory_equal(bytes + 12, asked + 12, sizeof(asked) - 1 - 12);
	packet_free(p);
	for (size_t cut = 0; cut < sizeof(asked) - 1; cut++)
		assert_int_equal(packet_read_question(asked, cut, &p, &q, &rcode), -EBADMSG);
}

static void an_answer_is_too_long_or_whole(void **state)
{
	static const uint8_t host[4] = {198, 18, 0, 1};
	struct packet_question q;
	struct packet *p = NULL;
	size_t size = 0;
	int rcode;
	uint8_t *bytes;

	assert_int_equal(packet_read_question(asked, sizeof(asked) - 1, &p, &q, &rcode), 0);
	bytes = packet_write_answer(p, NULL, PACKET_NOERROR, host, PACKET_PLAIN_BYTES, &size);
	assert_non_null(bytes);
	assert_true(bytes[0] == 0x12 && bytes[1] == 0x34 && bytes[2] & 0x80 && bytes[7] == 1);
	assert_memory_equal(bytes + size - 4, host, 4);
	free(bytes);
	bytes = packet_write_answer(p, NULL, PACKET_NOERROR, host, 20, &size);
	assert_non_null(bytes);
	assert_true(bytes[2] & 2 && bytes[7] == 0); /* TC */
	free(bytes);
	packet_free(p);
}

/* Zeros, and from byte 20 on pointers: each leads to the one before it, the first one to byte 12.
 */
static void chain(uint8_t *bytes, size_t size, size_t count)
{
	memset(bytes, 0, size);
	for (size_t i = 0; i < count; i++) {
		size_t to = i == 0 ? 12 : 20 + 2 * (i - 1);

		bytes[20 + 2 * i] = (uint8_t)(0xc0 | to >> 8);
		bytes[21 + 2 * i] = (uint8_t)to;
	}
}

static void a_long_chain_of_pointers_is_refused_and_a_loop_is_not(void **state)
{
	static uint8_t bytes[POINTERS_MESSAGE_MAX];

	chain(bytes, sizeof(bytes), 127);
	assert_true(pointers_are_few(bytes, sizeof(bytes)));
	chain(bytes, sizeof(bytes), 128);
	assert_false(pointers_are_few(bytes, sizeof(bytes)));
	assert_true(pointers_are_few(bytes, 4096)); /* costs little */
	chain(bytes, sizeof(bytes), 8000);
	assert_false(pointers_are_few(bytes, sizeof(bytes)));
	bytes[20] = 0xc0; /* the first one leads to itself */
	bytes[21] = 20;
	assert_true(pointers_are_few(bytes, sizeof(bytes)));
	chain(bytes, sizeof(bytes), 8000);
	memset(bytes, 0xff, 4000); /* the chain begins behind this, and its end leads nowhere */
	assert_false(pointers_are_few(bytes, sizeof(bytes)));
	memset(bytes, 0xc0, sizeof(bytes));
	assert_true(pointers_are_few(bytes, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_true(pointers_are_few(bytes, sizeof(bytes)));
	assert_true(pointers_are_few(bytes, 0));
}

/* ---- no memory ---- */

enum { ANSWERED = 42, WRONG = 77 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static long until_none = -1; /* so many more; then one fails */

static bool is_none(void)
{
	return until_none >= 0 && until_none-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return is_none() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_none() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return is_none() ? NULL : __real_realloc(block, size);
}

/* Reads a question and its answer, and writes both on. The bytes of the answer, or NULL. */
static uint8_t *answer_in_full(size_t *size)
{
	static const uint8_t answer[] =
		"\xab\xcd\x81\x80\0\1\0\3\0\1\0\0\3aPi\7example\3COM\0\0\1\0\1"
		"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x10"
		"\1b\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\7"
		"\1b\xc0\x10\0\1\0\1\0\0\0\x3c\0\4\xcb\0\x71\x09"
		"\xc0\x10\0\2\0\1\0\0\0\x3c\0\5\2ns\xc0\x10";
	const struct wire_egress e = {.mode = WIRE_EGRESS_INTERNET};
	struct packet_question q;
	struct packet_answer a = {.packet = NULL};
	struct packet *p = NULL;
	uint8_t *sent, *bytes = NULL;
	size_t sent_size = 0;
	int rcode;

	if (packet_read_question(asked, sizeof(asked) - 1, &p, &q, &rcode) < 0)
		return NULL;
	sent = packet_write_question(p, 0xabcd, &sent_size);
	if (sent && (sent_size < 16 || memcmp(sent + 12, asked + 12, sizeof(asked) - 13) != 0))
		_exit(WRONG);
	if (packet_read_answer(answer, sizeof(answer) - 1, p, 0xabcd, &e, &a) == 0)
		bytes = packet_write_answer(p, a.packet, 0, NULL, PACKET_PLAIN_BYTES, size);
	free(sent);
	packet_free(a.packet);
	packet_free(p);
	return bytes;
}

/* cmocka would go on with the next test in the child. */
static void die_quietly(void)
{
	static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE};
	const struct rlimit none = {0, 0};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)setrlimit(RLIMIT_CORE, &none);
	close(STDERR_FILENO);
}

/* ldns looks at most of its memory and not at all of it: the process may die, as ebb-dns would,
 * and is started again. It never says what is not so. */
static void without_memory_there_is_no_answer_and_never_a_wrong_one(void **state)
{
	size_t size = 0;
	SCOPED_MEM uint8_t *right = answer_in_full(&size);
	int answers = 0, status = 0;

	assert_non_null(right);
	assert_true(right[7] == 3 && right[9] == 1 && size > 80);
	for (long n = 0; n < 4000 && answers < 20; n++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			size_t found_size = 0;
			uint8_t *found;

			die_quietly();
			until_none = n;
			found = answer_in_full(&found_size);
			if (found && (found_size != size || memcmp(found, right, size) != 0))
				_exit(WRONG);
			_exit(found ? ANSWERED : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_false(WIFEXITED(status) && WEXITSTATUS(status) == WRONG);
		answers += WIFEXITED(status) &&
			   WEXITSTATUS(status) == ANSWERED; /* n is beyond them all */
	}
	assert_int_equal(answers, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_matches_itself_and_a_star_what_is_below),
		cmocka_unit_test(an_address_is_dropped_kept_or_opened),
		cmocka_unit_test(only_so_many_addresses_are_open),
		cmocka_unit_test(a_question_is_read_and_written_anew),
		cmocka_unit_test(an_answer_is_too_long_or_whole),
		cmocka_unit_test(a_long_chain_of_pointers_is_refused_and_a_loop_is_not),
		cmocka_unit_test(without_memory_there_is_no_answer_and_never_a_wrong_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
