# SPDX-License-Identifier: Apache-2.0
# The server of static files runs inside instances: its objects are built for the tests only.
OBJECTS_test_static := $(addprefix images/runtimes/static/,path range date accept mime file)
