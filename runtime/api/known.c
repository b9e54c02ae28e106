// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/known.h"

#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/images.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/secrets.h"
#include "runtime/api/services.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"

/* question: "did you mean 'x'? " or ""; then where to look. */
static void answer(struct request *rq, const char *what, const char *name,
		   const struct nearest *near, const char *where)
{
	char question[128], mend[256];

	(void)text_format(mend, sizeof(mend), "%s%s",
			  nearest_question(near, question, sizeof(question)), where);
	problem_reply(rq, 404, mend, "there is no %s '%s'", what, name);
}

static void offer_services(struct request *rq, struct nearest *near)
{
	struct services *services = rq->api->services;

	for (size_t i = 0; i < services_count(services); i++)
		nearest_offer(near, services_at(services, i)->name);
}

struct service *service_or_404(struct request *rq)
{
	struct service *s = services_find(rq->api->services, rq->arg);

	if (!s)
		answer_no_service(rq, rq->arg);
	return s;
}

bool service_matches_or_412(struct request *rq, const struct service *s)
{
	const struct http_header *wanted = http_find(&rq->head, "if-match");
	char etag[ETAG_SIZE] = "(none)";

	if (!wanted || (s && http_slice_is(wanted->value, "*")))
		return true;
	if (s) {
		revision_etag(&s->current, etag);
		if (http_slice_is(wanted->value, etag))
			return true;
	}
	problem_reply(rq, 412, "read the service again, and decide anew",
		      "service '%s' is not what If-Match names: its ETag is %s", rq->arg, etag);
	return false;
}

void answer_no_service(struct request *rq, const char *name)
{
	struct nearest near;

	nearest_init(&near, name);
	offer_services(rq, &near);
	answer(rq, "service", name, &near, "ebb ls shows what there is");
}

void answer_no_source(struct request *rq, const char *name)
{
	struct nearest near;

	nearest_init(&near, name);
	offer_services(rq, &near);
	answer(rq, "service or instance", name, &near, "ebb ls and ebb ps show what there is");
}

void answer_no_instance(struct request *rq, const char *id, const struct wire_instance_info *infos,
			size_t count)
{
	struct nearest near;
	char where[160];

	nearest_init(&near, id);
	for (size_t i = 0; i < count; i++)
		nearest_offer(&near, infos[i].id);
	if (services_find(rq->api->services, id))
		(void)text_format(where, sizeof(where),
				  "it is a service: ebb ps --service %s shows its instances", id);
	else
		(void)text_copy(where, sizeof(where), "ebb ps shows what there is");
	answer(rq, "instance", id, &near, where);
}

void answer_no_image(struct request *rq, const char *name)
{
	const struct images *images = rq->api->images;
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; images_name_at(images, i); i++)
		nearest_offer(&near, images_name_at(images, i));
	answer(rq, "image", name, &near,
	       "ebb image ls shows what there is (a name, or 12 digits of a digest)");
}

void answer_no_secret(struct request *rq, const char *name)
{
	const struct secrets *secrets = rq->api->secrets;
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < secrets_count(secrets); i++)
		nearest_offer(&near, secrets_at(secrets, i)->name);
	answer(rq, "secret", name, &near, "ebb secret ls shows what there is");
}

bool api_ready_or_503(struct request *rq)
{
	if (rq->api->ready)
		return true;
	problem_reply(rq, 503, "try again in a moment",
		      "ebb is starting: it has not taken up all services yet");
	return false;
}
