// SPDX-License-Identifier: Apache-2.0
#include "runtime/settings/consumer.h"

#include <string.h>

#include "runtime/base/text.h"

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

void consumer_name(const char *of, char *out, size_t size)
{
	size_t used = 0;

	for (const char *at = of; *at && used + 4 < size; at++) {
		char *to = out + used;
		size_t room = size - used;

		if (*at == '_')
			(void)text_copy(to, room, "__");
		else if (*at == '/')
			(void)text_copy(to, room, "_S");
		else if (*at == '.')
			(void)text_copy(to, room, "_D");
		else if (strchr(plain, *at))
			(void)text_format(to, room, "%c", *at);
		else
			(void)text_format(to, room, "_%02X", (unsigned int)(unsigned char)*at);
		used += strlen(to);
	}
	if (used == 0)
		(void)text_copy(out, size, "default");
}
