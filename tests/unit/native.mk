# SPDX-License-Identifier: Apache-2.0
# The library of ebb.h is no part of ebb's programs: these objects are built for the test only.
OBJECTS_test_native_http := images/runtimes/native/http images/runtimes/native/chunk
