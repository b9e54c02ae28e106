// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/api.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/text_out.h"

#define ANSWER_BYTES_MAX (64u * 1024 * 1024)
#define ANSWER_DEPTH_MAX 32
#define ARCHIVE          "application/x-tar"
#define TRIES            6
#define TRY_AFTER_MS     50 /* and twice as long each time */
#define AGAIN_MS         200
#define AWAY_NS          (60 * NS_PER_SEC)

void api_answer_fini(struct api_answer *answer)
{
	json_free(answer->document);
	free(answer->text);
	memset(answer, 0, sizeof(*answer));
}

int api_no_server(const struct call *call, int err)
{
	char why[256];

	snprintf(why, sizeof(why), "%s: %s", call->socket, strerror(-err));
	say_error(why,
		  err == -EACCES
			  ? "join the group that owns the socket, or run ebb as root"
			  : "start ebbd, or name its socket with --socket PATH or EBB_SOCKET",
		  "no ebb server answers");
	return CLI_NO_SERVER;
}

int api_broken(const struct call *call, const char *action, int err)
{
	static const struct {
		int err;
		const char *why, *mend;
	} causes[] = {
		{-EPROTO, "the answer was cut short or is not HTTP",
		 "look at ebbd's log for a restart of ebb-api, then try again"},
		{-ECANCELED, "tar could not read all of it", "its own message is above"},
		{-ETIMEDOUT, "no answer within 60 s", "look at ebbd's log, then try again"},
	};

	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		if (causes[i].err != err)
			continue;
		say_error(causes[i].why, causes[i].mend, "cannot %s", action);
		return CLI_FAILED;
	}
	say_error(strerror(-err), causes[0].mend, "cannot %s", action);
	return CLI_FAILED;
}

int api_refused(const char *action, int status, const struct json *problem, const char *text)
{
	const char *title = json_string(json_get(problem, "title"));
	const char *detail = json_string(json_get(problem, "detail"));
	const char *mend = json_string(json_get(problem, "mend"));
	const struct json *errors = json_get(problem, "errors");
	char number[64];

	snprintf(number, sizeof(number), "the server answered %d", status);
	if (!problem && text && *text)
		detail = text;
	if (json_count(errors) > 0)
		detail =
			"these values are wrong:"; /* the server's sentence repeats the first one */
	say_error(detail ? detail : (title ? title : number), mend, "cannot %s", action);
	for (size_t i = 0; i < json_count(errors); i++) {
		const char *path = json_string(json_get(json_at(errors, i), "path"));
		const char *message = json_string(json_get(json_at(errors, i), "message"));

		say_note("  - %s: %s", path ? path : "?", message ? message : "?");
	}
	return status == 400 || (status == 422 && json_count(errors) > 0) ? CLI_USAGE : CLI_FAILED;
}

static int read_body(struct conn *conn, struct api_answer *answer)
{
	struct http_slice part;
	size_t capacity = 0;
	int r;

	while ((r = conn_next(conn, &part)) > 0) {
		if (answer->size + part.size > ANSWER_BYTES_MAX)
			return -EFBIG;
		if (answer->size + part.size + 1 > capacity) {
			char *grown;

			capacity = (answer->size + part.size + 1) * 2;
			grown = realloc(answer->text, capacity);
			if (!grown)
				return -ENOMEM;
			answer->text = grown;
		}
		memcpy(answer->text + answer->size, part.at, part.size);
		answer->size += part.size;
		answer->text[answer->size] = '\0';
	}
	return r;
}

static int converse(struct conn *conn, const struct conn_request *request,
		    struct api_answer *answer)
{
	char err[256];
	int r = conn_send(conn, request);

	if (request->content_type && !request->body)
		conn->timeout_ms = -1; /* unpacking a large image may take any time */
	if (r == 0)
		r = conn_head(conn);
	if (r == 0)
		r = read_body(conn, answer);
	if (r < 0)
		return r;
	answer->status = conn->status;
	if (answer->size > 0 && strstr(conn->content_type, "json") &&
	    json_parse(answer->text, answer->size, ANSWER_DEPTH_MAX, &answer->document, err,
		       sizeof(err)) < 0)
		answer->document = NULL; /* the text is still there, and the status decides */
	return 0;
}

int api_ask(const struct call *call, const char *target, struct api_answer *out)
{
	const struct conn_request request = {
		.method = "GET", .target = target, .accept = "application/json", .body_fd = -1};
	struct api_answer answer = {.status = 0};
	struct conn *conn;
	int r = conn_open(call->socket, &conn);

	if (r < 0)
		return r;
	r = converse(conn, &request, &answer);
	conn_free(conn);
	if (r < 0)
		api_answer_fini(&answer);
	else
		*out = answer;
	return r;
}

/* Whether a connection ended as it does when ebb-api dies or is replaced. */
static bool is_cut(int r)
{
	return r == -EPROTO || r == -ECONNRESET || r == -EPIPE;
}

/* RFC 9110, section 9.2.2: the same request twice is the same as once. */
static bool may_repeat(const struct conn_request *request)
{
	return request->repeatable || strcmp(request->method, "GET") == 0 ||
	       (strcmp(request->method, "PUT") == 0 && request->body);
}

/* Once more, while the answer is cut, or says that the server is not ready yet. A server that is
 * gone leaves the first error. */
static int converse_again(const struct call *call, const struct conn_request *request, int r,
			  struct api_answer *answer)
{
	for (int n = 0; n < TRIES && (is_cut(r) || (r == 0 && answer->status == 503)); n++) {
		struct conn *conn;

		(void)poll(NULL, 0, TRY_AFTER_MS << n);
		if (conn_open(call->socket, &conn) < 0)
			return r;
		if (n == 0 && is_cut(r))
			say_note("ebb: the connection ended before the answer; asking again");
		api_answer_fini(answer);
		r = converse(conn, request, answer);
		conn_free(conn);
	}
	return r;
}

int api_try(const struct call *call, const struct conn_request *request, const char *action,
	    struct api_answer *out)
{
	struct api_answer answer = {.status = 0};
	struct conn *conn;
	int r = conn_open(call->socket, &conn);

	if (r < 0)
		return api_no_server(call, r);
	r = converse(conn, request, &answer);
	conn_free(conn);
	if (may_repeat(request))
		r = converse_again(call, request, r, &answer);
	if (r < 0) {
		api_answer_fini(&answer);
		return api_broken(call, action, r);
	}
	*out = answer;
	return CLI_DONE;
}

int api_exchange(const struct call *call, const struct conn_request *request, const char *action,
		 struct api_answer *out)
{
	struct api_answer answer;
	int r = api_try(call, request, action, &answer);

	if (r == CLI_DONE && answer.status >= 300) {
		r = api_refused(action, answer.status, answer.document, answer.text);
		api_answer_fini(&answer);
	}
	if (r == CLI_DONE)
		*out = answer;
	return r;
}

int api_call(const struct call *call, const char *method, const char *target, const char *action,
	     struct api_answer *out)
{
	struct conn_request request = {
		.method = method,
		.target = target,
		.accept = "application/json",
		.body_fd = -1,
	};

	return api_exchange(call, &request, action, out);
}

int api_get(const struct call *call, const char *prefix, const char *name, const char *suffix,
	    const char *action, struct api_answer *out)
{
	char target[1100], what[128];
	int r = api_target(target, sizeof(target), prefix, name, suffix);

	if (r != CLI_DONE)
		return r;
	snprintf(what, sizeof(what), "%s %.100s", action, name);
	return api_call(call, "GET", target, what, out);
}

int api_send(const struct call *call, const char *method, const char *target, const char *body,
	     const char *action, struct api_answer *out)
{
	struct conn_request request = {
		.method = method,
		.target = target,
		.accept = "application/json",
		.content_type = "application/json",
		.body = body,
		.body_size = strlen(body),
		.body_fd = -1,
	};

	return api_exchange(call, &request, action, out);
}

/* Sends the request and reads the head of the answer; *out stands behind it, for every status. */
static int stream_open(const struct call *call, const char *target, const char *accept,
		       const char *action, struct conn **out)
{
	struct conn *conn;
	int r = conn_open(call->socket, &conn);

	if (r < 0)
		return api_no_server(call, r);
	if (strcmp(accept, ARCHIVE) == 0)
		conn->timeout_ms = -1; /* reading a large image may take any time */
	r = conn_ask_stream(conn, target, accept);
	if (r < 0) {
		conn_free(conn);
		return api_broken(call, action, r);
	}
	*out = conn;
	return CLI_DONE;
}

int api_refused_conn(const struct call *call, const char *action, struct conn *conn)
{
	struct api_answer answer = {.status = conn->status};
	char err[256];
	int r = read_body(conn, &answer);

	if (r == 0 && answer.size > 0 &&
	    json_parse(answer.text, answer.size, ANSWER_DEPTH_MAX, &answer.document, err,
		       sizeof(err)) < 0)
		answer.document = NULL;
	r = r < 0 ? api_broken(call, action, r)
		  : api_refused(action, conn->status, answer.document, answer.text);
	api_answer_fini(&answer);
	return r;
}

/* Hands an answer out if it is good; else prints the error and frees the connection. */
static int stream_judge(const struct call *call, const char *action, struct conn *conn,
			struct conn **out)
{
	int r = CLI_DONE;

	if (conn->status >= 300) {
		r = api_refused_conn(call, action, conn);
		conn_free(conn);
	} else {
		*out = conn;
	}
	return r;
}

int api_stream(const struct call *call, const char *target, const char *second, const char *action,
	       struct conn **out)
{
	struct conn *conn;
	int r = stream_open(call, target, CONN_LINES, action, &conn);

	if (r == CLI_DONE && conn->status == 404 && second) {
		conn_free(conn);
		r = stream_open(call, second, CONN_LINES, action, &conn);
	}
	return r == CLI_DONE ? stream_judge(call, action, conn, out) : r;
}

/* Without a word: 0 with a connection of any status, or -errno. */
static int open_quietly(const struct call *call, const char *target, struct conn **out)
{
	struct conn *conn;
	int r = conn_open(call->socket, &conn);

	if (r < 0)
		return r;
	r = conn_ask_stream(conn, target, CONN_LINES);
	if (r < 0)
		conn_free(conn);
	else
		*out = conn;
	return r;
}

int api_stream_again(const struct call *call, const char *target, const char *second,
		     struct conn **out)
{
	uint64_t until_ns = clock_mono_ns() + AWAY_NS;
	int r;

	say_note("ebb: the connection ended, because ebb-api was replaced or died; connecting "
		 "again");
	for (;;) {
		r = open_quietly(call, target, out);
		if (r == 0 && (*out)->status == 404 && second) {
			conn_free(*out);
			r = open_quietly(call, second, out);
		}
		if (r == 0 && (*out)->status != 503)
			return CLI_DONE;
		if (r == 0)
			conn_free(*out);
		if (clock_mono_ns() > until_ns)
			return api_no_server(call, r < 0 ? r : -EBUSY);
		(void)poll(NULL, 0, AGAIN_MS);
	}
}

int api_download(const struct call *call, const char *target, const char *action, struct conn **out)
{
	struct conn *conn;
	int r = stream_open(call, target, ARCHIVE, action, &conn);

	return r == CLI_DONE ? stream_judge(call, action, conn, out) : r;
}

int api_target(char *buf, size_t size, const char *prefix, const char *name, const char *suffix)
{
	char encoded[1024];

	if (*name && conn_encode(encoded, sizeof(encoded), name) == 0 &&
	    text_format(buf, size, "%s%s%s", prefix, encoded, suffix) == 0)
		return CLI_DONE;
	say_error(*name ? "it is too long" : "it is empty", NULL, "cannot use the name '%.80s'",
		  name);
	return CLI_USAGE;
}

int api_parameter(char target[API_TARGET_SIZE], const char *name, const char *value)
{
	char prefix[API_TARGET_SIZE + 32];

	if (!value)
		return CLI_DONE;
	(void)snprintf(prefix, sizeof(prefix), "%s%c%s=", target, strchr(target, '?') ? '&' : '?',
		       name);
	return api_target(target, API_TARGET_SIZE, prefix, value, "");
}

static void indent(unsigned int depth)
{
	putchar('\n');
	for (unsigned int i = 0; i < depth; i++)
		fputs("  ", stdout);
}

/* Prints the next byte of a string, or an escape as a whole. A control that the JSON writer leaves
 * raw but a terminal would obey is escaped. Returns how many bytes of text were used. */
static size_t print_string_byte(const char *text)
{
	const unsigned char *b = (const unsigned char *)text;

	if (b[0] == 0x7f) {
		fputs("\\u007f", stdout);
		return 1;
	}
	if (b[0] == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f) {
		printf("\\u%04x", b[1]);
		return 2;
	}
	putchar(*text);
	if (*text != '\\' || !text[1])
		return 1;
	putchar(text[1]);
	return 2;
}

static void print_structure_byte(char c, char next, unsigned int *depth)
{
	bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';

	if (closes) {
		(*depth)--;
		indent(*depth);
	}
	putchar(c);
	if (opens && next != '}' && next != ']')
		indent(++*depth);
	else if (opens)
		++*depth;
	else if (c == ',')
		indent(*depth);
	else if (c == ':')
		putchar(' ');
}

/* Prints compact JSON, as the writer makes it, with indentation. */
static void print_indented(const char *text)
{
	unsigned int depth = 0;
	bool in_string = false;

	while (*text) {
		if (in_string) {
			in_string = *text != '"';
			text += print_string_byte(text);
			continue;
		}
		in_string = *text == '"';
		if ((text[0] == '[' && text[1] == ']') || (text[0] == '{' && text[1] == '}')) {
			printf("%.2s", text);
			text += 2;
			continue;
		}
		print_structure_byte(*text, text[1], &depth);
		text++;
	}
	putchar('\n');
}

int api_each(const struct call *call, const char *method, const char *prefix, const char *suffix,
	     const char *action, const char *done)
{
	struct json_out out;
	int worst = CLI_DONE;

	json_out_init(&out);
	json_out_array(&out, NULL);
	for (size_t i = 0; i < call->args.word_count && worst != CLI_NO_SERVER; i++) {
		const char *word = args_word(&call->args, i);
		struct api_answer answer;
		char target[1200], what[160];
		int r = api_target(target, sizeof(target), prefix, word, suffix);

		snprintf(what, sizeof(what), "%s %.100s", action, word);
		if (r == CLI_DONE)
			r = api_call(call, method, target, what, &answer);
		worst = r > worst ? r : worst;
		if (r != CLI_DONE)
			continue;
		if (!call->json)
			printf("%s %s\n", done, word);
		else if (answer.document)
			json_out_value(&out, NULL, answer.document);
		api_answer_fini(&answer);
	}
	json_out_end_array(&out);
	if (call->json && !out.failed)
		print_indented(out.text);
	json_out_fini(&out);
	return worst;
}

const struct json *api_list(const struct json *document, const char *key)
{
	const struct json *inner;

	if (json_kind(document) != JSON_OBJECT)
		return document;
	inner = json_get(document, key);
	return inner ? inner : json_get(document, "items");
}

void api_print_text(const struct json_out *out)
{
	if (!out->failed && out->text)
		print_indented(out->text);
}

void api_print(const struct json *document)
{
	struct json_out out;

	json_out_init(&out);
	json_out_value(&out, NULL, document);
	api_print_text(&out);
	json_out_fini(&out);
}

void api_print_compact(const struct json *document)
{
	struct json_out out;

	json_out_init(&out);
	json_out_value(&out, NULL, document);
	for (const char *at = out.failed ? NULL : out.text; at && *at;)
		at += print_string_byte(at);
	json_out_fini(&out);
}
