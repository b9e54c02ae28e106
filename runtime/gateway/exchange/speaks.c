// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/speaks.h"

#include <errno.h>

#include "runtime/gateway/exchange/dispatch.h"

static const char *wrong_protocol(const struct instance *i, bool http2)
{
	if (http2)
		return i->upstream == WIRE_HTTP_1
			       ? "it speaks HTTP/2 (as gRPC servers do), and ebb.upstream is http1"
			       : "it speaks HTTP/2 (as gRPC servers do), which was found when the "
				 "body had begun; set ebb.upstream to h2c";
	return i->upstream == WIRE_HTTP_2 ? "it speaks HTTP/1.1, and ebb.upstream is h2c"
					  : "it speaks neither HTTP/2 nor HTTP/1.1";
}

enum verdict speaks_found(struct gateway *g, struct client *c, struct upstream *u, bool http2)
{
	struct instance *i = upstream_instance(&g->up, u);
	enum speaks now = http2 ? SPEAKS_HTTP2 : SPEAKS_HTTP1;

	if (!i || (i->upstream != WIRE_HTTP_AUTO) || (i->told && i->speaks != now)) {
		return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0,
				     "The function's answer was refused: %s.",
				     i ? wrong_protocol(i, http2) : "its instance ended");
	}
	i->told = true;
	i->speaks = now;
	if (http2)
		g->routes.services[i->service].http2_revision = i->revision;
	if (dispatch_held(c))
		return dispatch_anew(g, c, -EPROTO);
	return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
			     wrong_protocol(i, http2));
}
