# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_policy := runtime/supervisor/policy
OBJECTS_test_saturation := runtime/supervisor/saturation
OBJECTS_test_blame := runtime/supervisor/blame
