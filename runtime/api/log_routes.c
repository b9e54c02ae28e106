// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/logs.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/text.h"

#define TAIL_DEFAULT 1000
#define TAIL_MAX     100000

/* The service that an instance's id names, <service>-<number>. 0 or -EINVAL. */
static int service_of(const char *instance, char service[SERVICE_NAME_SIZE])
{
	const char *dash = strrchr(instance, '-');
	uint64_t number;

	if (!dash || text_parse_u64(dash + 1, 0, UINT64_MAX, &number) < 0 ||
	    strlen(instance) >= INSTANCE_ID_SIZE ||
	    text_format(service, SERVICE_NAME_SIZE, "%.*s", (int)(dash - instance), instance) < 0 ||
	    !text_is_label(service))
		return -EINVAL;
	return 0;
}

static bool read_tail(struct request *rq, bool since, uint64_t *out)
{
	char text[24];
	int r = request_query(rq, "tail", text, sizeof(text));

	*out = since ? TAIL_MAX : TAIL_DEFAULT;
	if (r == 0 || (r == 1 && text_parse_u64(text, 0, TAIL_MAX, out) == 0))
		return true;
	problem_reply(rq, 400, "give a number of lines", "tail: it is not a number (0..%d)",
		      TAIL_MAX);
	return false;
}

/* Reads ?since=; out is "" without it. False after having answered. */
static bool read_since(struct request *rq, char out[LOG_TIME_CHARS + 1])
{
	char text[LOG_TIME_CHARS + 1] = "";
	int r = request_query(rq, "since", text, sizeof(text));

	if (r == 0 || (r == 1 && log_is_time(text))) {
		memcpy(out, text, sizeof(text));
		return true;
	}
	problem_reply(rq, 400, "give the time of a line, as it stands there",
		      "since: it is not a time such as 2026-11-23T01:02:03.456789Z");
	return false;
}

/* The format that ?format= names, else the one that Accept names. False after having answered. */
static bool read_format(struct request *rq, bool *json)
{
	char format[16] = "";
	int r = request_query(rq, "format", format, sizeof(format));

	*json = r == 0 ? request_accepts(rq, "application/x-ndjson")
		       : strcmp(format, "ndjson") == 0;
	if (r == 0 || *json || strcmp(format, "text") == 0)
		return true;
	problem_reply(rq, 400, "text or ndjson", "format: it is not a format of logs");
	return false;
}

/* Reads ?request=; out is "" without it. False after having answered. */
static bool read_request(struct request *rq, char out[LOG_REQUEST_CHARS + 1])
{
	char text[LOG_REQUEST_CHARS + 1] = "";
	int r = request_query(rq, "request", text, sizeof(text));

	if (r == 0 || (r == 1 && log_is_request(text))) {
		memcpy(out, text, sizeof(text));
		return true;
	}
	problem_reply(rq, 400, "give the x-ebb-id of a response",
		      "request: it is not 32 lower-case hexadecimal digits");
	return false;
}

/* found: whether the service or instance is known to exist beside its log files. */
static void send_logs(struct request *rq, const char *service, const char *instance, bool found)
{
	struct logs *logs = rq->api->logs;
	bool follow = request_flag(rq, "follow");
	char request[LOG_REQUEST_CHARS + 1], since[LOG_TIME_CHARS + 1];
	struct log_wish wish = {.instance = instance};
	const char *type;
	struct buffer out = {0};
	uint64_t lines_max;
	int r;

	if (!read_since(rq, since) || !read_tail(rq, *since, &lines_max) ||
	    !read_request(rq, request) || !read_format(rq, &wish.json))
		return;
	type = wish.json ? "application/x-ndjson" : "text/plain; charset=utf-8";
	wish.request = *request ? request : NULL;
	wish.since = *since ? since : NULL;
	r = log_tail(logs_dir_fd(logs), service, &wish, (size_t)lines_max, &out);
	if (r == -ENOENT && found)
		r = 0;
	if (r == -ENOENT) {
		answer_no_source(rq, rq->arg);
	} else if (r < 0) {
		problem_reply(rq, 500, "look after the log directory",
			      "cannot read the logs of '%s': %s", rq->arg, strerror(-r));
	} else if (!follow) {
		reply_bytes(rq, 200, type, NULL, buffer_at(&out), out.size);
	} else if (!logs_can_follow(logs)) {
		problem_reply(rq, 503, "end one of the others", "too many are following already");
	} else {
		stream_begin(rq, type);
		stream_send(rq, buffer_at(&out), out.size);
		(void)logs_follow(logs, rq, service, &wish);
	}
	buffer_fini(&out);
}

void get_instance_logs(struct request *rq)
{
	char service[SERVICE_NAME_SIZE];

	if (service_of(rq->arg, service) < 0)
		answer_no_source(rq, rq->arg);
	else
		send_logs(rq, service, rq->arg, logs_is_live(rq->api->logs, rq->arg));
}

void get_service_logs(struct request *rq)
{
	if (!text_is_label(rq->arg))
		answer_no_source(rq, rq->arg);
	else
		send_logs(rq, rq->arg, NULL, services_find(rq->api->services, rq->arg) != NULL);
}
