// SPDX-License-Identifier: Apache-2.0
/* pull, push: images from and to a registry. skopeo speaks to it, with its own logins and policy.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/build.h"
#include "runtime/cli/places.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define SCHEME "docker://"

struct transfer {
	const char *verb, *reference;
	char remote[1100];       /* docker://REFERENCE */
	char archive[4096 + 32]; /* a file in the cache */
	char local[4096 + 64];   /* oci-archive:FILE */
};

/* A reference is a word of skopeo's command line, and names what it fetches: REGISTRY/NAME:TAG. */
static bool is_reference(const char *text)
{
	if (!*text || *text == '-' || *text == '/')
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int begin(struct transfer *t, const char *verb, const char *given)
{
	char cache[4096];
	int r;

	*t = (struct transfer){.verb = verb, .reference = given};
	if (strncmp(given, SCHEME, strlen(SCHEME)) == 0)
		t->reference = given + strlen(SCHEME);
	if (!is_reference(t->reference) ||
	    text_format(t->remote, sizeof(t->remote), SCHEME "%s", t->reference) < 0) {
		say_error("it is no name of an image in a registry", "REGISTRY/NAME:TAG",
			  "cannot %s %s", verb, given);
		return CLI_USAGE;
	}
	r = places_cache(cache, sizeof(cache));
	if (r == 0)
		r = text_format(t->archive, sizeof(t->archive), "%s/.%s-%d.tar", cache, verb,
				(int)getpid());
	if (r == 0)
		r = text_format(t->local, sizeof(t->local), "oci-archive:%s", t->archive);
	if (r < 0) {
		say_error(strerror(-r), "set EBB_CACHE to a directory that can be written",
			  "cannot %s %s", verb, given);
		return CLI_FAILED;
	}
	if (process_is_there("skopeo"))
		return CLI_DONE;
	say_error("skopeo speaks to registries, and is not installed", "apt-get install skopeo",
		  "cannot %s %s", verb, given);
	return CLI_FAILED;
}

static int copy(const struct transfer *t, const char *from, const char *to)
{
	const char *const argv[] = {"skopeo", "copy", "--quiet", from, to, NULL};
	char why[96];
	int r = process_run(argv);

	if (r == 0)
		return CLI_DONE;
	if (r < 0)
		snprintf(why, sizeof(why), "skopeo: %s", strerror(-r));
	else
		snprintf(why, sizeof(why), "skopeo ended with status %d", r);
	say_error(why, "its own message is above; `skopeo login REGISTRY` keeps a password",
		  "cannot %s %s", t->verb, t->reference);
	return CLI_FAILED;
}

/* The last part of a reference, without tag and digest. */
static void usual_name(const char *reference, char *name, size_t size)
{
	const char *slash = strrchr(reference, '/');

	reference = slash ? slash + 1 : reference;
	(void)text_format(name, size, "%.*s", (int)strcspn(reference, ":@"), reference);
}

int verb_pull(struct call *call)
{
	const char *name = args_value(&call->args, "tag");
	char usual[256] = "";
	struct transfer t;
	int r = begin(&t, "pull", args_word(&call->args, 0));

	if (r != CLI_DONE)
		return r;
	usual_name(t.reference, usual, sizeof(usual));
	(void)unlink(t.archive); /* skopeo adds to an archive that is there */
	r = copy(&t, t.remote, t.local);
	if (r == CLI_DONE)
		r = image_upload(call, t.local, name ? name : usual, true);
	(void)unlink(t.archive);
	return r;
}

static void show_pushed(const struct call *call, const char *image, const char *reference)
{
	struct json_out o;

	if (!call->json) {
		say_note("ebb: %s is at %s", image, reference);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "image", image);
	json_out_string(&o, "reference", reference);
	json_out_end_object(&o);
	api_print_text(&o);
	json_out_fini(&o);
}

int verb_push(struct call *call)
{
	struct transfer t;
	int r = begin(&t, "push", args_word(&call->args, 1));

	if (r != CLI_DONE)
		return r;
	r = image_save(call, args_word(&call->args, 0), t.archive);
	if (r == CLI_DONE)
		r = copy(&t, t.local, t.remote);
	(void)unlink(t.archive);
	if (r == CLI_DONE)
		show_pushed(call, args_word(&call->args, 0), t.reference);
	return r;
}
