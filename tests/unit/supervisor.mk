# SPDX-License-Identifier: Apache-2.0
OBJECTS_test_policy := runtime/supervisor/decide/policy
OBJECTS_test_saturation := runtime/supervisor/decide/saturation
OBJECTS_test_precedence := runtime/supervisor/decide/precedence
OBJECTS_test_blame := runtime/supervisor/decide/blame
OBJECTS_test_waits := runtime/supervisor/look/waits
OBJECTS_test_idle := runtime/supervisor/decide/idle
OBJECTS_test_look := $(addprefix runtime/supervisor/look/,look look_fds look_io look_timers waits locks)
OBJECTS_test_talks := runtime/supervisor/look/talks
OBJECTS_test_estate := $(addprefix runtime/supervisor/host/,estate keeper)
OBJECTS_test_walk := runtime/supervisor/peers/walk
OBJECTS_test_readings := runtime/supervisor/peers/readings
OBJECTS_test_prepare := runtime/supervisor/host/prepare

# All of ebbd but its main.
EBBD_ROOMS := $(basename $(wildcard runtime/supervisor/*/*.c))
OBJECTS_test_standing := $(EBBD_ROOMS)
OBJECTS_test_settle := runtime/supervisor/instance/settle
OBJECTS_test_life := $(EBBD_ROOMS)
OBJECTS_test_links := $(EBBD_ROOMS)
# Tests of what fails seldom: memory, and opening a peer.
OBJECTS_test_peer := $(addprefix runtime/supervisor/,programs/daemon programs/launch programs/program_log host/estate)
LIBS_test_peer := -Wl,--wrap=malloc -Wl,--wrap=wire_link_open
$(OUT)/tests/test_peer: $(OUT)/ebb-ipc
