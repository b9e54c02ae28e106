// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/exec_user.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define ID_MAX 65535

/* One text of config.users, cut at its colons. */
struct user_line {
	char text[512];
	char *name, *uid, *gid, *groups, *home;
};

static bool cut(const char *text, struct user_line *out)
{
	char *rest = out->text;

	if (text_copy(out->text, sizeof(out->text), text) < 0)
		return false;
	out->name = strsep(&rest, ":");
	out->uid = strsep(&rest, ":");
	out->gid = strsep(&rest, ":");
	out->groups = strsep(&rest, ":");
	out->home = rest;
	return out->home != NULL;
}

static bool parse_id(const char *text, uint32_t *out)
{
	uint64_t n;

	if (text_parse_u64(text, 0, ID_MAX, &n) < 0)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* By name, or by number where name is NULL. */
static bool find_user(const struct wire_image_config *image, const char *name, uint32_t uid,
		      struct user_line *out)
{
	const char *at = image->users;
	uint32_t id;

	for (uint32_t i = 0; i < image->user_count; i++, at += strlen(at) + 1)
		if (cut(at, out) && parse_id(out->uid, &id) &&
		    (name ? strcmp(out->name, name) == 0 : id == uid))
			return true;
	return false;
}

static void take_groups(char *list, struct wire_exec *out)
{
	char *text;

	while ((text = strsep(&list, ",")) && out->group_count < ARRAY_LEN(out->groups)) {
		uint32_t gid;

		if (parse_id(text, &gid) && gid != out->gid)
			out->groups[out->group_count++] = gid;
	}
}

static bool take_user(const struct wire_image_config *image, const char *name,
		      struct wire_exec *out)
{
	struct user_line line;
	bool numeric = parse_id(name, &out->uid);
	bool found = find_user(image, numeric ? NULL : name, out->uid, &line);

	if (!found)
		return numeric; /* a number needs no entry; its group is then 0 */
	if (!parse_id(line.uid, &out->uid) || !parse_id(line.gid, &out->gid))
		return false;
	take_groups(line.groups, out);
	return true;
}

static void take_named(const struct wire_image_config *image, const char *user,
		       struct wire_exec *out, struct problem_list *errors)
{
	char name[SETTING_USER_BYTES + 1];
	char *group;

	(void)text_copy(name, sizeof(name), user);
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	if (!take_user(image, name, out)) {
		problem_add(errors, "user",
			    "\"%s\" is neither in the image's /etc/passwd (an image imported by an "
			    "earlier ebb: import it again) nor a number (0..%d)",
			    name, ID_MAX);
		return;
	}
	if (!group)
		return;
	out->group_count = 0;
	if (!parse_id(group, &out->gid))
		problem_add(errors, "user", "its group \"%s\" is not a number (0..%d)", group,
			    ID_MAX);
}

static void take_images(const struct wire_image_config *image, struct wire_exec *out)
{
	out->uid = image->uid;
	out->gid = image->gid;
	out->group_count = image->group_count;
	memcpy(out->groups, image->groups, sizeof(out->groups));
}

void exec_user(const struct wire_image_config *image, const struct service_spec *spec,
	       struct wire_exec *out, struct problem_list *errors)
{
	uint32_t wanted = spec->capabilities & WIRE_CAPABILITIES_ALL;

	if (*spec->user)
		take_named(image, spec->user, out, errors);
	else
		take_images(image, out);
	if (out->uid != 0 && wanted)
		problem_add(errors, "capabilities",
			    "only user 0 has any, and this service runs as user %u: set user to "
			    "\"root\", or leave capabilities out",
			    out->uid);
	if (out->uid == 0)
		out->capabilities = (uint16_t)(spec->capabilities == SPEC_CAPABILITIES_DEFAULT
						       ? WIRE_CAPABILITIES_ALL
						       : wanted);
}

void exec_home(const struct wire_image_config *image, uint32_t uid, char *out, size_t size)
{
	struct user_line line;

	if (!find_user(image, NULL, uid, &line) || *line.home != '/' ||
	    text_copy(out, size, line.home) < 0)
		(void)text_copy(out, size, "/");
}
