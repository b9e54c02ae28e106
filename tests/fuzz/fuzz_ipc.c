// SPDX-License-Identifier: Apache-2.0
/* One message of a program inside an instance to ebb-ipc, and the text of a log message. */
#include <stdlib.h>
#include <string.h>

#include "runtime/ipc/lines.h"
#include "runtime/ipc/message.h"
#include "tests/fuzz/fuzz.h"

static void decode(const char *text)
{
	size_t room = strlen(text) / 4 * 3 + 3, size = 0; /* as in runtime/ipc/actions.c */
	char *out = malloc(room);

	claim(out != NULL);
	if (base64_decode(text, out, &size) == 0)
		claim(size <= room);
	free(out);
}

static void look_at(const struct message *m)
{
	char text[REQUEST_ID_CHARS + 1];
	struct request_id again;

	if (m->type == MESSAGE_HOLD)
		claim(m->has_id);
	if (m->type == MESSAGE_LOG || m->type == MESSAGE_RETIRE)
		claim(m->text != NULL);
	if (m->text)
		decode(m->text);
	if (!m->has_id)
		return;
	request_id_format(m->id, text);
	claim(request_id_parse(text, &again) == 0);
	claim(again.high == m->id.high && again.low == m->id.low);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message m;
	char err[256] = "";

	if (size > MESSAGE_BYTES_MAX)
		return 0;
	if (message_parse((const char *)data, size, &m, err, sizeof(err)) < 0) {
		claim(err[0] != '\0');
		return 0;
	}
	look_at(&m);
	message_fini(&m);
	return 0;
}
