# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_queue_words := runtime/flow/queue_words
OBJECTS_test_workflow_words := runtime/flow/workflow_words
