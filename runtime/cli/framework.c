// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/framework.h"

#include <stddef.h>
#include <string.h>

#include "runtime/base/mem.h"

/* Frameworks, by their words in vercel.json, and the directory of pages that a build leaves. NULL:
 * a program or a build output, which is found when the build is over. */
static const struct framework frameworks[] = {
	{"angular", "dist"},
	{"astro", NULL},
	{"create-react-app", "build"},
	{"docusaurus", "build"},
	{"docusaurus-2", "build"},
	{"eleventy", "_site"},
	{"ember", "dist"},
	{"express", NULL},
	{"fastapi", NULL},
	{"fastify", NULL},
	{"flask", NULL},
	{"gatsby", "public"},
	{"hexo", "public"},
	{"hono", NULL},
	{"nextjs", NULL},
	{"nitro", NULL},
	{"nuxtjs", NULL},
	{"parcel", "dist"},
	{"preact", "build"},
	{"react-router", NULL},
	{"remix", NULL},
	{"svelte", "public"},
	{"sveltekit", NULL},
	{"sveltekit-1", NULL},
	{"vite", "dist"},
	{"vitepress", "docs/.vitepress/dist"},
	{"vue", "dist"},
};

const struct framework *framework_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(frameworks); i++)
		if (strcmp(frameworks[i].name, name) == 0)
			return &frameworks[i];
	return NULL;
}
