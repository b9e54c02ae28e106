// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/wire_root.h"

#include <errno.h>
#include <string.h>

#include "runtime/supervisor/service/check.h"
#include "tests/fuzz/fuzz.h"

int wire_root_service_put(const struct wire_service_put *put)
{
	char err[ERROR_TEXT_SIZE] = "";

	if (spec_check(put, err, sizeof(err)) < 0) {
		claim(err[0]);
		return -EPROTO;
	}
	claim(strlen(put->name) < sizeof(put->name) && put->host_count <= SERVICE_HOSTS_MAX);
	claim(put->layer_count <= IMAGE_LAYERS_MAX && put->exec.argc > 0);
	return 0;
}
