// SPDX-License-Identifier: Apache-2.0
/* Secrets: set, listed by name, removed. No answer has a value. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/secret_file.h"
#include "runtime/api/secret_use.h"
#include "runtime/api/secrets.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/json.h"
#include "runtime/base/text.h"

#define BODY_DEPTH_MAX 4

static void write_users(struct json_out *o, struct api *api, const struct secret *secret)
{
	json_out_array(o, "used_by");
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		if (s->current.number && secret_serves(api, s, secret->name, 0))
			json_out_string(o, NULL, s->name);
	}
	json_out_end_array(o);
	json_out_array(o, "outdated");
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);
		uint32_t has = secret_of_spec(&s->current.spec, secret->name);

		if (s->current.number && has && has != secret_newest(secret))
			json_out_string(o, NULL, s->name);
	}
	json_out_end_array(o);
}

static void write_secret(struct json_out *o, struct api *api, const struct secret *secret)
{
	char when[28];

	json_out_object(o, NULL);
	json_out_string(o, "name", secret->name);
	json_out_u64(o, "version", secret_newest(secret));
	json_out_string(o, "set_at", secret->set_us ? clock_rfc3339(secret->set_us, when) : NULL);
	write_users(o, api, secret);
	json_out_end_object(o);
}

void get_secrets(struct request *rq)
{
	struct secrets *secrets = rq->api->secrets;
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "secrets");
	for (size_t i = 0; i < secrets_count(secrets); i++)
		write_secret(&o, rq->api, secrets_at(secrets, i));
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_secret(struct request *rq)
{
	const struct secret *secret = secrets_find(rq->api->secrets, rq->arg);
	struct json_out o;

	if (!secret) {
		answer_no_secret(rq, rq->arg);
		return;
	}
	json_out_init(&o);
	write_secret(&o, rq->api, secret);
	reply_json(rq, 200, NULL, &o);
}

/* The value in the body; NULL after having answered. No sentence repeats what was sent. */
static const char *read_value(struct request *rq, const struct json *document)
{
	const char *value = json_string(json_get(document, "value"));
	struct problem_list errors = {0};

	if (!secret_name_valid(rq->arg))
		problem_add(&errors, "name",
			    "'%.80s' is not a name of a secret (letters, digits, _ and -, ..64)",
			    rq->arg);
	if (!value || json_count(document) != 1)
		problem_add(&errors, "value", "the body is {\"value\": \"...\"}, and nothing else");
	else if (!*value)
		problem_add(&errors, "value", "is empty (1..%d bytes)", SECRET_BYTES_MAX);
	else if (strlen(value) > SECRET_BYTES_MAX)
		problem_add(&errors, "value", "%zu bytes are too many (..%d)", strlen(value),
			    SECRET_BYTES_MAX);
	if (errors.count > 0)
		problem_reply_list(rq, &errors);
	return errors.count > 0 ? NULL : value;
}

/* Versions that no service has may go. */
struct keeping {
	struct api *api;
	const char *name;
};

static bool is_in_use(void *ctx, uint32_t version)
{
	const struct keeping *k = ctx;

	for (size_t i = 0; i < services_count(k->api->services); i++)
		if (secret_serves(k->api, services_at(k->api->services, i), k->name, version))
			return true;
	return false;
}

static void prune(struct api *api, const char *name)
{
	struct keeping k = {api, name};

	/* The revision of a change under way is not known here, and may have any version. */
	if (!service_changing(api))
		secrets_prune(api->secrets, name, is_in_use, &k);
}

static int status_of(int err)
{
	return err == -ENOKEY ? 503 : err == -EMFILE ? 409 : 507;
}

static void set(struct request *rq, const char *value)
{
	bool there = secrets_find(rq->api->secrets, rq->arg);
	struct fault fault = {0};
	struct json_out o;
	int r;

	prune(rq->api, rq->arg);
	r = secrets_set(rq->api->secrets, rq->arg, value, &fault);
	if (r < 0) {
		problem_reply(rq, status_of(r), fault.mend, "%s", fault.what);
		return;
	}
	json_out_init(&o);
	write_secret(&o, rq->api, secrets_find(rq->api->secrets, rq->arg));
	reply_json(rq, there ? 200 : 201, NULL, &o);
}

void put_secret(struct request *rq)
{
	struct json *document = NULL;
	const char *value;
	char err[200];

	if (!api_ready_or_503(rq))
		return;
	/* The parser's sentence could quote the body, so it is not told. */
	if (json_parse(rq->body, rq->body_size, BODY_DEPTH_MAX, &document, err, sizeof(err)) < 0) {
		problem_reply(rq, 400, "send {\"value\": \"...\"}; it is text, UTF-8 without NUL",
			      "the body is not JSON");
		return;
	}
	value = read_value(rq, document);
	if (value) {
		set(rq, value);
		explicit_bzero((char *)(uintptr_t)value, strlen(value));
	}
	json_free(document);
}

/* The services that use it, in a sentence; false: none does. */
static bool name_users(struct api *api, const char *name, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		if (!s->current.number || !secret_serves(api, s, name, 0))
			continue;
		if (used + SERVICE_NAME_SIZE + 8 > size) {
			(void)text_format(buf + used, size - used, ", ..");
			return true;
		}
		(void)text_format(buf + used, size - used, "%s'%s'", used ? ", " : "", s->name);
		used = strlen(buf);
	}
	return used > 0;
}

void delete_secret(struct request *rq)
{
	struct api *api = rq->api;
	const struct service *changing;
	char users[320];
	int r;

	if (!secrets_find(api->secrets, rq->arg)) {
		answer_no_secret(rq, rq->arg);
		return;
	}
	if (!api_ready_or_503(rq))
		return;
	changing = service_changing(api);
	if (changing) {
		problem_reply(rq, 409, "try again in a moment",
			      "a change of service '%s' is under way, which may use it",
			      changing->name);
		return;
	}
	if (name_users(api, rq->arg, users, sizeof(users))) {
		problem_reply(rq, 409, "deploy them without it, or remove them",
			      "secret '%s' is used by %s", rq->arg, users);
		return;
	}
	r = secrets_remove(api->secrets, rq->arg);
	if (r < 0)
		problem_reply(rq, 500, "look after the state directory, then remove it again",
			      "secret '%s' cannot be removed: %s", rq->arg, strerror(-r));
	else
		reply_empty(rq);
}
