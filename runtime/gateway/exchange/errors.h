/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errors that ebb answers itself, one row each. The reason phrase of a status is in
 * runtime/http/status.c. The sentence of each answer comes from the function that saw the error.
 */
#ifndef EBB_GATEWAY_ERRORS_H
#define EBB_GATEWAY_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/gateway/tell/counters.h"
#include "runtime/wire/stats.h"

/* Whether the connection ends behind the error. It ends in any case if the request was not read
 * whole. */
enum edge_end { EDGE_KEEPS, EDGE_CLOSES };

/* clang-format off */
/* name, status, code (x-ebb-error), counter of the service, counter of the gateway, connection,
 * Retry-After in seconds (0 = none; exchange_fail may give another number) */
#define EDGE_ERRORS(X) \
	X(BAD_HEAD,             400, "BAD_REQUEST",           bad_request,  error_4xx,   EDGE_CLOSES, 0) \
	X(BAD_CHUNKS,           400, "BAD_REQUEST",           bad_request,  error_4xx,   EDGE_CLOSES, 0) \
	X(BAD_HANDSHAKE,        400, "BAD_REQUEST",           bad_request,  error_4xx,   EDGE_KEEPS,  0) \
	X(NO_SERVICE,           404, "NO_SERVICE",            other,        error_4xx,   EDGE_KEEPS,  0) \
	X(HEAD_TIMEOUT,         408, "REQUEST_TIMEOUT",       other,        error_4xx,   EDGE_CLOSES, 0) \
	X(BODY_TOO_SLOW,        408, "BODY_TOO_SLOW",         other,        error_4xx,   EDGE_CLOSES, 0) \
	X(BODY_TOO_LARGE,       413, "BODY_TOO_LARGE",        other,        error_4xx,   EDGE_CLOSES, 0) \
	X(TARGET_TOO_LONG,      414, "TARGET_TOO_LONG",       other,        error_4xx,   EDGE_CLOSES, 0) \
	X(EXPECTATION_FAILED,   417, "EXPECTATION_FAILED",    other,        error_4xx,   EDGE_CLOSES, 0) \
	X(UPGRADE_REQUIRED,     426, "UPGRADE_REQUIRED",      other,        error_4xx,   EDGE_KEEPS,  0) \
	X(HEAD_TOO_LARGE,       431, "HEAD_TOO_LARGE",        other,        error_4xx,   EDGE_CLOSES, 0) \
	X(NOT_IMPLEMENTED,      501, "NOT_IMPLEMENTED",       other,        error_other, EDGE_CLOSES, 0) \
	X(BAD_RESPONSE,         502, "BAD_RESPONSE",          bad_response, error_502,   EDGE_KEEPS,  0) \
	X(INSTANCE_CRASHED,     502, "INSTANCE_CRASHED",      crashed,      error_502,   EDGE_KEEPS,  0) \
	X(BANNED,               503, "INSTANCE_CRASHED",      crashed,      error_503,   EDGE_KEEPS,  1) \
	X(OVERLOADED,           503, "OVERLOADED",            overloaded,   error_503,   EDGE_KEEPS,  1) \
	X(STARTING,             503, "STARTING",              other,        error_503,   EDGE_KEEPS,  1) \
	X(NO_SLOT,              503, "OVERLOADED",            overloaded,   error_503,   EDGE_CLOSES, 1) \
	X(TOO_MANY_CONNECTIONS, 503, "TOO_MANY_CONNECTIONS",  other,        error_503,   EDGE_CLOSES, 1) \
	X(MAX_DURATION,         504, "MAX_DURATION",          max_duration, error_504,   EDGE_KEEPS,  0) \
	X(VERSION,              505, "VERSION_NOT_SUPPORTED", other,        error_other, EDGE_CLOSES, 0) \
	X(LOOP_DETECTED,        508, "LOOP_DETECTED",         other,        error_other, EDGE_KEEPS,  0)
/* clang-format on */

enum edge_error {
	EDGE_NONE,
#define X(name, status, code, service, counter, end, retry) EDGE_##name,
	EDGE_ERRORS(X)
#undef X
		EDGE_COUNT
};

struct edge_row {
	uint16_t status, retry_after_s;
	enum edge_end end;
	enum service_counter service;
	size_t counter; /* offset in struct counters */
	const char *code;
};

/* The row of an error; EDGE_NONE has none and must not be asked for. */
const struct edge_row *edge_row(enum edge_error e);
/* The error for a head that its parser refused with this status. */
enum edge_error edge_of_head(int status);
void edge_count(struct counters *count, enum edge_error e);

#endif
