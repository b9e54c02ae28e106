/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of programs inside instances (docs/interface.md, the IPC socket): each is one JSON
 * object. Pure. Messages are foreign: their form is checked, and their content is not believed.
 */
#ifndef EBB_IPC_MESSAGE_H
#define EBB_IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/json.h"

#define MESSAGE_BYTES_MAX 65536
#define MESSAGE_DEPTH_MAX 16

enum message_type {
	MESSAGE_UNKNOWN, /* ignored and counted: newer programs may send other messages */
	MESSAGE_SERVER_STARTED,
	MESSAGE_HOLD,
	MESSAGE_END,
	MESSAGE_LOG,
	MESSAGE_METRIC,
	MESSAGE_UNRECOVERABLE_ERROR,
	MESSAGE_RETIRE,
};

/* A request's id: 32 hex digits, as in x-ebb-id. */
struct request_id {
	uint64_t high, low;
};

struct message {
	enum message_type type;
	bool has_id;
	struct request_id id;
	uint64_t deadline_ms; /* since the epoch; 0 = none */
	const char *text;     /* log: the message; retire: the reason. Lives as long as document */
	bool base64;
	struct json *document; /* owned: message_fini */
};

/* Parses and checks a message. 0 and *out (message_fini it), or -EINVAL or -ENOMEM with a sentence
 * in err. */
int message_parse(const char *bytes, size_t size, struct message *out, char *err, size_t err_size);
void message_fini(struct message *m);

/* 0 or -EINVAL. */
int request_id_parse(const char *text, struct request_id *out);
#define REQUEST_ID_CHARS 32
void request_id_format(struct request_id id, char out[REQUEST_ID_CHARS + 1]);

#endif
