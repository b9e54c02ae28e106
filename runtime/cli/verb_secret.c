// SPDX-License-Identifier: Apache-2.0
/* secret set, ls, rm. The value comes from standard input or a file and goes to the server; nothing
 * prints it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/file.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define SECRETS "/v1/secrets"

static const struct column columns[] = {
	{.title = "NAME", .key = "name"},
	{.title = "VERSION", .key = "version", .right = true},
	{.title = "AGE", .key = "set_at", .show = SHOW_AGE, .right = true},
	{.title = "USED BY", .key = "used_by"},
	{.title = "OUTDATED IN", .key = "outdated"},
};

static void erase(char *text, size_t size)
{
	if (text)
		explicit_bzero(text, size);
}

/* Somebody types it: one line, which the terminal does not show. */
static int read_typed(char **out, size_t *out_size)
{
	struct termios before, quiet;
	size_t room = 0;
	ssize_t n;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	say_note("ebb: type the value, and Enter (it is not shown)");
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) < 0)
		return -errno;
	n = getline(out, &room, stdin);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	*out_size = n < 0 ? 0 : (size_t)n;
	return 0;
}

static int read_value(const char *file, char **out, size_t *size)
{
	int r = !file && isatty(STDIN_FILENO) ? read_typed(out, size)
					      : file_read(file ? file : "-", out, size);

	if (r < 0)
		return r;
	/* One line end, which echo(1) and editors add. */
	if (*size > 0 && (*out)[*size - 1] == '\n')
		(*out)[--*size] = '\0';
	if (*size > 0 && (*out)[*size - 1] == '\r')
		(*out)[--*size] = '\0';
	return 0;
}

static int send_value(const struct call *call, const char *name, const char *value,
		      struct api_answer *out)
{
	char target[1200], action[128];
	struct json_out body;
	int r = api_target(target, sizeof(target), SECRETS "/", name, "");

	snprintf(action, sizeof(action), "set secret %.80s", name);
	json_out_init(&body);
	json_out_object(&body, NULL);
	json_out_string(&body, "value", value);
	json_out_end_object(&body);
	if (r == CLI_DONE && body.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = api_send(call, "PUT", target, body.text, action, out);
	erase(body.text, body.capacity);
	json_out_fini(&body);
	return r;
}

static int redeploy(const struct call *call, const char *service)
{
	char target[1200], action[128];
	struct api_answer answer;
	int r = api_target(target, sizeof(target), "/v1/services/", service, "/redeploy");

	snprintf(action, sizeof(action), "redeploy %.100s", service);
	if (r == CLI_DONE)
		r = api_call(call, "POST", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	say_note("ebb: %s has the new value", service);
	api_answer_fini(&answer);
	return CLI_DONE;
}

/* Goes on after a failure, unless no server answers; the worst exit code. */
static int redeploy_users(const struct call *call, const struct json *document)
{
	const struct json *users = json_get(document, "outdated");
	int worst = CLI_DONE;

	for (size_t i = 0; i < json_count(users) && worst != CLI_NO_SERVER; i++) {
		int r = redeploy(call, json_string(json_at(users, i)));

		worst = r > worst ? r : worst;
	}
	return worst;
}

static void say_set(const struct call *call, const struct json *document)
{
	const struct json *outdated = json_get(document, "outdated");

	if (call->json) {
		api_print(document);
		return;
	}
	table_line(document, "name", "version");
	for (size_t i = 0; !args_given(&call->args, "redeploy") && i < json_count(outdated); i++)
		say_note("ebb: %s goes on with the value before (--redeploy replaces it)",
			 json_string(json_at(outdated, i)));
}

int verb_secret_set(struct call *call)
{
	const char *name = args_word(&call->args, 0), *file = args_value(&call->args, "file");
	struct api_answer answer;
	char *value = NULL;
	size_t size = 0;
	int r = read_value(file, &value, &size);

	if (r < 0 || size == 0 || strlen(value) != size) {
		say_error(r < 0       ? strerror(-r)
			  : size == 0 ? "the value is empty"
				      : "the value has a byte 0, which no variable can have",
			  "give it by standard input or --file", "cannot set secret %s", name);
		free(value);
		return CLI_USAGE;
	}
	r = send_value(call, name, value, &answer);
	erase(value, size);
	free(value);
	if (r != CLI_DONE)
		return r;
	say_set(call, answer.document);
	if (args_given(&call->args, "redeploy"))
		r = redeploy_users(call, answer.document);
	api_answer_fini(&answer);
	return r;
}

int verb_secret_ls(struct call *call)
{
	static const struct listing listing = {.action = "list the secrets",
					       .key = "secrets",
					       .name = "name",
					       .columns = columns,
					       .column_count = ARRAY_LEN(columns),
					       .none = "no secrets; ebb secret set makes one"};

	return listing_show(call, SECRETS, &listing);
}

int verb_secret_rm(struct call *call)
{
	return api_each(call, "DELETE", SECRETS "/", "", "remove secret", "removed");
}
