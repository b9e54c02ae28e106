# SPDX-License-Identifier: Apache-2.0
LEDGER_OBJECTS := $(addprefix runtime/ledger/,entry chain rules db append accounts usage verify) runtime/sql/shm
OBJECTS_test_ledger_append := $(LEDGER_OBJECTS)
OBJECTS_test_ledger_full := $(LEDGER_OBJECTS)
OBJECTS_test_ledger_usage := $(LEDGER_OBJECTS)
OBJECTS_test_ledger_verify := $(LEDGER_OBJECTS)
OBJECTS_test_ledger_program := $(LEDGER_OBJECTS) runtime/supervisor/programs/launch
LIBS_test_ledger_append := -lsqlite3
LIBS_test_ledger_full := -lsqlite3
LIBS_test_ledger_usage := -lsqlite3
LIBS_test_ledger_verify := -lsqlite3
LIBS_test_ledger_program := -lsqlite3
$(OUT)/tests/test_ledger_program: $(OUT)/ebb-ledger
