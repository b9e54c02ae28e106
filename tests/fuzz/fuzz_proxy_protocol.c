// SPDX-License-Identifier: Apache-2.0
/*
 * The header of the PROXY protocol: any first bytes on a listener that asks for one. A part of the
 * bytes may ask for more, but must not be judged otherwise than all of them; bytes behind the
 * header must not change what it says.
 */
#include <errno.h>
#include <string.h>

#include "runtime/http/proxy_protocol.h"
#include "tests/fuzz/fuzz.h"

static void check_prefixes(const uint8_t *data, size_t size, long end)
{
	struct proxy_protocol part;

	for (size_t n = 0; n < size && n < 64; n++) {
		long r = proxy_protocol_parse(data, n, &part);

		/* Complete only with the whole header; refused only if all of it is refused. */
		claim(r <= 0 || r == end);
		claim(r <= 0 || n >= (size_t)r);
		claim(r != -EPROTO || end == -EPROTO);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t longer[PROXY_HEADER_MAX * 2];
	struct proxy_protocol first = {0}, second = {0};
	long end = proxy_protocol_parse(data, size, &first);

	claim(end == -EPROTO || end >= 0);
	claim(end <= (long)size && end <= PROXY_HEADER_MAX);
	claim(first.family <= PROXY_IPV6);
	check_prefixes(data, size, end);
	if (end <= 0 || size + 16 > sizeof(longer))
		return 0;
	memcpy(longer, data, (size_t)end);
	memset(longer + end, 'G', 16);
	claim(proxy_protocol_parse(longer, (size_t)end + 16, &second) == end);
	claim(memcmp(&first, &second, sizeof(first)) == 0);
	return 0;
}
