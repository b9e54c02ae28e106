/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of 16 bytes as records have them: IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2).
 * They stand at any byte, so nobody reads them as a struct in6_addr. */
#ifndef EBB_IP_H
#define EBB_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TEXT_SIZE INET6_ADDRSTRLEN

bool ip_is_v4(const uint8_t address[16]);
bool ip_is_loopback(const uint8_t address[16]); /* ::1 and 127.0.0.0/8 */
bool ip_is_none(const uint8_t address[16]);     /* :: and 0.0.0.0 */
/* As inet_ntop(3) writes it, an IPv4 address without its prefix. Returns whether it is one. */
bool ip_format(const uint8_t address[16], char out[IP_TEXT_SIZE]);

#endif
