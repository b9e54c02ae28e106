# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_policy := runtime/supervisor/policy
OBJECTS_test_saturation := runtime/supervisor/saturation
OBJECTS_test_blame := runtime/supervisor/blame
OBJECTS_test_waits := runtime/supervisor/waits
OBJECTS_test_idle := runtime/supervisor/idle
OBJECTS_test_loop := runtime/supervisor/loop
OBJECTS_test_look := $(addprefix runtime/supervisor/,look look_fds look_io look_timers waits locks)
OBJECTS_test_walk := $(addprefix runtime/supervisor/,walk loop)
