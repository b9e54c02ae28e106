# SPDX-License-Identifier: Apache-2.0
API_OBJECTS := $(filter-out runtime/api/main,$(patsubst %.c,%,$(wildcard runtime/api/*.c)))
OBJECTS_test_api_schema := $(API_OBJECTS)
OBJECTS_test_settings := $(API_OBJECTS)
OBJECTS_test_api_exec := $(API_OBJECTS)
OBJECTS_test_api_conn := $(API_OBJECTS)
OBJECTS_test_api_usage := $(API_OBJECTS)
OBJECTS_test_api_routes := $(API_OBJECTS)
OBJECTS_test_api_stores := $(API_OBJECTS)
# Files that .incbin brings in, which the compiler's list of dependencies does not know.
$(OUT)/obj/runtime/api/node.o: docs/openapi.json
$(OUT)/obj/runtime/api/main.o: runtime/api/seccomp.policy
