# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_cli_args := runtime/cli/args
OBJECTS_test_cli_table := $(addprefix runtime/cli/,table text_out lines when)
OBJECTS_test_cli_spec := $(addprefix runtime/cli/,spec spec_body spec_functions spec_crons spec_triggers spec_build spec_file framework site keys report text_out)
OBJECTS_test_cli_guess := $(addprefix runtime/cli/,guess file)
# The table of verbs refers to every verb: the whole program but its main.
OBJECTS_test_cli_docs := $(filter-out runtime/cli/main,$(basename $(wildcard runtime/cli/*.c)))
