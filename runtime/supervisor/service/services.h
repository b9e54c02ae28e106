/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services ebbd knows: a number and a name each, and the specification in force.
 *
 * A specification is immutable and counted: instances of an older revision keep theirs. Its layers
 * are opened when it is put, so that a missing image is an error of the deployment, not of the
 * first request.
 */
#ifndef EBB_SUPERVISOR_SERVICES_H
#define EBB_SUPERVISOR_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/image.h"
#include "runtime/base/allowance.h"
#include "runtime/supervisor/host/estate.h"
#include "runtime/wire/records.h"

enum refused_kind { REFUSED_FULL, REFUSED_LATE, REFUSED_NACKED, REFUSED_NO_START, REFUSED_KINDS };

struct spec {
	uint32_t users;
	uint32_t learned_limit; /* tickets per instance under maxConcurrency auto; 0 = not yet */
	uint32_t live;          /* instances that serve, as evict.c counted them last */
	struct estate *estate;  /* its row there, for the next ebbd */
	uint32_t row;
	uint32_t layers_given; /* in the record; of those that come twice, put counts the higher */
	int layer_fds[IMAGE_LAYERS_MAX];
	struct wire_service_put put;
};

/* The demand for a service, and the results of starts. The rooms scale, freeze and instance set
 * these fields; services_put clears those that a new revision makes void. */
struct demand {
	uint32_t ups;                  /* instances that came up so far, as gateways count them */
	uint32_t queued[GATEWAYS_MAX]; /* as each gateway said last */
	uint32_t crowded;  /* requests that went to saturated instances since the last decision */
	bool proving;      /* an instance is wanted without a request, until it accepts or fails */
	uint32_t failures; /* starts that failed in a row */
	uint32_t killed;   /* starts in a row that something killed */
	uint64_t not_before_ns;
	char last_failure[ERROR_TEXT_SIZE];
	bool unpreparable;        /* making an instance ahead of need failed */
	uint32_t retired_soon;    /* in a row: instances that asked to be replaced at once */
	uint64_t memory_bytes;    /* an instance, when it was frozen last; 0 = none was */
	uint64_t timer_second_ns; /* thaws for timers since then */
	uint32_t timer_thaws;
	uint64_t wake_second_ns; /* the same for the network */
	uint32_t wakes;
};

/* Why gateways send requests where they do, as far as it is not told yet: choice.c. */
struct choices {
	struct wire_choice last; /* of any gateway; made: sums of all */
	char instance[INSTANCE_ID_SIZE];
	bool due;
	uint64_t made_ns, said_ns;
	uint32_t said_slot, said_generation, said_reason;
};

/* News of a service that people were told, and those still to be told. */
struct told {
	/* Answered 503 and not yet told: queue full, too late, nacked, cannot start. */
	uint32_t refused[REFUSED_KINDS];
	uint64_t refused_ns, start_ns; /* when each was told last */
	uint32_t start;                /* the enum policy_reason told last */
	struct choices choices;
};

struct service {
	uint32_t index;
	char name[SERVICE_NAME_SIZE]; /* "" = free */
	uint32_t variant;             /* 0, or the revision that serves beside the service */
	uint32_t share_permille;      /* of a variant: how much of the requests it gets */
	struct spec *spec;
	/* The last specification of which an instance accepted, while no instance of `spec` has;
	 * else NULL. It serves requests while `spec` fails to start (scale_fall_back). */
	struct spec *proven;
	bool accepted; /* an instance of `spec` has */
	bool put;      /* by the present ebb-api */
	struct demand demand;
	struct told told;
	struct allowance refusals; /* events about attempts against the network policy */
};

struct services;

/* The rows of the estate, for the next ebbd. */
struct spec_row {
	uint32_t learned_limit;
	struct wire_service_put put; /* as it was given */
};
struct service_row {
	char name[SERVICE_NAME_SIZE];
	uint32_t variant, share_permille, ups;
	uint32_t spec, proven; /* rows + 1; 0 = none */
	uint32_t accepted;
};
#define SPECS_MAX (2 * SERVICES_MAX + INSTANCES_MAX) /* each may have one of its own */

/* 0 or -ENOMEM. */
int services_new(struct estate *estate, struct services **out);
/* Takes over what an earlier ebbd had in force. lost(name) is called for what cannot be. */
void services_adopt(struct services *s, struct image_store *images, void (*lost)(const char *name));
/* Specifications that nobody took over: their rows are free again. */
void services_adopted(struct services *s);
/* A taken-over specification by its row, or NULL; borrowed. */
struct spec *services_spec(struct services *s, uint32_t row);
/* Something of it has changed that the next ebbd is to know. */
void services_note(struct services *s, const struct service *service);
void spec_note(const struct spec *spec);
/* Another ebb-api begins to put all it knows. */
void services_unput(struct services *s);
/* One that it did not put, or NULL. */
struct service *services_not_put(struct services *s);
void services_free(struct services *s);
/* NULL if there is none; variant 0: the service itself. */
struct service *services_find(struct services *s, const char *name, uint32_t variant);
struct service *services_at(struct services *s, uint32_t index); /* NULL if free */

/* Takes the record in, as a new service or a new revision. 0 with *out; SERVICES_SAME with *out if
 * nothing, or a variant's share alone, changed; SERVICES_PROMOTED with *out if a variant became the
 * service; or -errno with a sentence. */
enum { SERVICES_SAME = 1, SERVICES_PROMOTED = 2 };
int services_put(struct services *s, const struct wire_service_put *put, struct image_store *images,
		 struct service **out, char *err, size_t err_size);
/* A variant of the service with this name, or NULL. */
struct service *services_variant(struct services *s, const char *name);
/* An instance of `spec` accepts: no earlier specification is needed any more. */
void services_accepted(struct services *s, struct service *service);
/* An instance of `proven` could not be started either. */
void services_forget_proven(struct services *s, struct service *service);
void services_remove(struct services *s, struct service *service);

/* A specification lives as long as somebody holds a reference; spec_ref returns its argument. */
struct spec *spec_ref(struct spec *spec);
void spec_unref(struct spec *spec); /* NULL is fine */
/* Tickets of a new instance: the set number, or the learned one. */
uint32_t spec_limit_first(const struct spec *spec);

#endif
