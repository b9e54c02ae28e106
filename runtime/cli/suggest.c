// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "runtime/base/nearest.h"
#include "runtime/cli/cli.h"

const char *suggest_verb(const char *word, char *buf, size_t size)
{
	struct nearest near;

	nearest_init(&near, word);
	for (const struct verb *v = cli_verbs; v->name; v++)
		nearest_offer(&near, v->name);
	return nearest_question(&near, buf, size);
}

static void offer_options(struct nearest *near, const struct option *table)
{
	for (; table && table->name; table++)
		nearest_offer(near, table->name);
}

const char *suggest_option(const char *word, const struct verb *verb, char *buf, size_t size)
{
	struct nearest near;
	char name[NEAREST_CHARS_MAX + 1];
	size_t chars = strcspn(word + strspn(word, "-"), "=:");

	if (chars >= sizeof(name))
		chars = 0;
	memcpy(name, word + strspn(word, "-"), chars);
	name[chars] = '\0';
	nearest_init(&near, name);
	offer_options(&near, verb ? verb->options : NULL);
	offer_options(&near, cli_common_options);
	return nearest_question(&near, buf, size);
}
