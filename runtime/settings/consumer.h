/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a consumer of a queue that the settings do not name. */
#ifndef EBB_SETTINGS_CONSUMER_H
#define EBB_SETTINGS_CONSUMER_H

#include <stddef.h>

/* Names it after a path or a file, as sanitizeConsumerName of npm @vercel/build-utils does:
 * letters, digits and - stay, "_" becomes "__", "/" "_S", "." "_D", any other byte "_" and its
 * number in hexadecimal digits. A name that is too long ends early; that of "" is "default". size:
 * at least 8.
 */
void consumer_name(const char *of, char *out, size_t size);

#endif
