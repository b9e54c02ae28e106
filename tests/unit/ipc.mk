# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_ipc_message := runtime/ipc/message
OBJECTS_test_ipc_lines := runtime/ipc/lines runtime/ipc/message
OBJECTS_test_ipc_holds := runtime/ipc/holds runtime/ipc/message runtime/ipc/shares
OBJECTS_test_ipc_connections := $(filter-out runtime/ipc/main,$(basename $(wildcard runtime/ipc/*.c)))
