// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/ip.h"

#include <arpa/inet.h>
#include <string.h>

#include "runtime/base/mem.h"

#define MAPPED_BYTES 12u

bool ip_is_v4(const uint8_t address[16])
{
	static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

bool ip_is_loopback(const uint8_t address[16])
{
	static const uint8_t loopback[16] = {[15] = 1};

	return ip_is_v4(address) ? address[MAPPED_BYTES] == 127
				 : memcmp(address, loopback, sizeof(loopback)) == 0;
}

bool ip_is_none(const uint8_t address[16])
{
	static const uint8_t none[16];
	size_t from = ip_is_v4(address) ? MAPPED_BYTES : 0;

	return memcmp(address + from, none, sizeof(none) - from) == 0;
}

bool ip_format(const uint8_t address[16], char out[IP_TEXT_SIZE])
{
	bool v4 = ip_is_v4(address);
	const char *text = inet_ntop(v4 ? AF_INET : AF_INET6, address + (v4 ? MAPPED_BYTES : 0),
				     out, IP_TEXT_SIZE);

	must(text); /* each address fits */
	return v4;
}
