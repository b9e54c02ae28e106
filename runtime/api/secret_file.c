// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/secret_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/api/state.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/sha256.h"
#include "runtime/base/text.h"

#define SEALED_MAX (SECRET_BYTES_MAX + SEAL_TAG_BYTES)
#define ABOUT_SIZE (SECRET_NAME_SIZE + 24)

_Static_assert(SEAL_KEY_BYTES == SECRET_KEY_BYTES, "the key that ebbd sends");

static int key_id(const uint8_t *key, char id[17])
{
	uint8_t text[8 + SEAL_KEY_BYTES] = "ebb key", digest[SHA256_BYTES];
	int r;

	memcpy(text + 8, key, SEAL_KEY_BYTES);
	r = sha256_of(text, sizeof(text), digest);
	explicit_bzero(text, sizeof(text));
	if (r == 0)
		text_hex(id, digest, 8);
	return r;
}

void secret_key_take(struct secret_key *key, struct wire_api_config *config)
{
	memcpy(key->bytes, config->secret_key, sizeof(key->bytes));
	memcpy(key->fault, config->secret_fault, sizeof(key->fault));
	memcpy(key->mend, config->secret_mend, sizeof(key->mend));
	explicit_bzero(config->secret_key, sizeof(config->secret_key));
	if (!*key->fault && key_id(key->bytes, key->id) < 0)
		(void)text_copy(key->fault, sizeof(key->fault), "libcrypto has no SHA-256");
}

int secret_key_there(const struct secret_key *key, struct fault *f)
{
	if (!*key->fault)
		return 0;
	(void)fault_say(f, -ENOKEY, "%s", key->fault);
	fault_mend(f, "%s", key->mend);
	return -ENOKEY;
}

bool secret_name_valid(const char *name)
{
	size_t n = strlen(name);

	for (const char *c = name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || *c == '_' || (*c == '-' && c != name)))
			return false;
	return n > 0 && n < SECRET_NAME_SIZE;
}

void secret_file_name(char file[SECRET_FILE_SIZE], const char *name, uint32_t version)
{
	snprintf(file, SECRET_FILE_SIZE, "%.64s.%u.json", name, version);
}

int secret_file_parse(const char *file, char name[SECRET_NAME_SIZE], uint32_t *version)
{
	char copy[SECRET_FILE_SIZE], again[SECRET_FILE_SIZE];
	char *dot, *end;
	uint64_t number;

	if (text_copy(copy, sizeof(copy), file) < 0 || !(dot = strchr(copy, '.')) ||
	    !(end = strchr(dot + 1, '.')))
		return -EINVAL;
	*dot = *end = '\0';
	if (text_parse_u64(dot + 1, 1, UINT32_MAX, &number) < 0 || !secret_name_valid(copy))
		return -EINVAL;
	secret_file_name(again, copy, (uint32_t)number);
	if (strcmp(again, file) != 0)
		return -EINVAL;
	*version = (uint32_t)number;
	return text_copy(name, SECRET_NAME_SIZE, copy);
}

/* Name and version are sealed along: a file under another name does not open. */
static struct seal seal_of(const struct secret_key *key, const struct secret_id *id,
			   const uint8_t *nonce, char about[ABOUT_SIZE])
{
	int n = snprintf(about, ABOUT_SIZE, "ebb secret %s %u", id->name, id->version);

	return (struct seal){
		.key = key->bytes, .nonce = nonce, .about = about, .about_size = (size_t)n};
}

int secret_file_write(int dir_fd, const struct secret_key *key, const struct secret_id *id,
		      const char *value)
{
	size_t size = strlen(value);
	char file[SECRET_FILE_SIZE], about[ABOUT_SIZE], nonce_text[2 * SEAL_NONCE_BYTES + 1],
		when[28];
	SCOPED_MEM uint8_t *sealed = malloc(SEALED_MAX);
	SCOPED_MEM char *hex = malloc(2 * SEALED_MAX + 1);
	uint8_t nonce[SEAL_NONCE_BYTES];
	struct seal seal = seal_of(key, id, nonce, about);
	struct json_out o;
	int r;

	must(size > 0 && size <= SECRET_BYTES_MAX);
	if (!sealed || !hex)
		return -ENOMEM;
	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return -EIO;
	r = seal_close(&seal, value, size, sealed);
	if (r < 0)
		return r;
	text_hex(nonce_text, nonce, sizeof(nonce));
	text_hex(hex, sealed, size + SEAL_TAG_BYTES);
	secret_file_name(file, id->name, id->version);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "name", id->name);
	json_out_u64(&o, "version", id->version);
	json_out_string(&o, "set_at", clock_rfc3339(id->set_us, when));
	json_out_string(&o, "key", key->id);
	json_out_string(&o, "nonce", nonce_text);
	json_out_string(&o, "sealed", hex);
	json_out_end_object(&o);
	r = state_write_json(dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

static int unseal(const struct json *document, const struct secret_key *key,
		  const struct secret_id *id, char *value)
{
	const char *nonce_text = json_string(json_get(document, "nonce"));
	const char *hex = json_string(json_get(document, "sealed"));
	size_t size = hex ? strlen(hex) / 2 : 0;
	uint8_t nonce[SEAL_NONCE_BYTES];
	SCOPED_MEM uint8_t *sealed = malloc(SEALED_MAX);
	char about[ABOUT_SIZE];
	struct seal seal = seal_of(key, id, nonce, about);
	int r;

	if (!sealed)
		return -ENOMEM;
	if (!nonce_text || text_unhex(nonce, sizeof(nonce), nonce_text) < 0 ||
	    size <= SEAL_TAG_BYTES || size > SEALED_MAX || text_unhex(sealed, size, hex) < 0)
		return -EBADMSG;
	r = seal_open(&seal, sealed, size, value);
	if (r < 0)
		return r;
	size -= SEAL_TAG_BYTES;
	value[size] = '\0';
	return strlen(value) == size ? 0 : -EBADMSG;
}

/* The reason in words. */
static int refuse(const struct json *document, const struct secret_key *key,
		  const struct secret_id *id, int err, struct fault *f)
{
	const char *sealed_with = json_string(json_get(document, "key"));

	if (err == -EBADMSG && sealed_with && strcmp(sealed_with, key->id) != 0) {
		(void)fault_say(
			f, -ENOKEY,
			"secret '%s' was sealed with another key (%.16s) than this host has (%s)",
			id->name, sealed_with, key->id);
		fault_mend(f, "put that key back and restart ebbd, or set the secret again");
		return -ENOKEY;
	}
	if (err == -EBADMSG)
		(void)fault_say(f, err, "secret '%s' is damaged on disk", id->name);
	else
		(void)fault_errno(f, err, "secret '%s' cannot be read", id->name);
	fault_mend(f, "set the secret again, and deploy the service");
	return err;
}

int secret_file_read(int dir_fd, const struct secret_key *key, const struct secret_id *id,
		     char *value, struct fault *f)
{
	struct json *document = NULL;
	char file[SECRET_FILE_SIZE];
	int r = secret_key_there(key, f);

	if (r < 0)
		return r;
	secret_file_name(file, id->name, id->version);
	r = state_read_json(dir_fd, file, &document, NULL);
	if (r == 0)
		r = unseal(document, key, id, value);
	else if (r == -EINVAL)
		r = -EBADMSG;
	if (r < 0)
		r = refuse(document, key, id, r, f);
	json_free(document);
	return r;
}

uint64_t secret_file_time(int dir_fd, const char *name, uint32_t version)
{
	struct json *document = NULL;
	char file[SECRET_FILE_SIZE];
	uint64_t us = 0;

	secret_file_name(file, name, version);
	if (state_read_json(dir_fd, file, &document, NULL) == 0) {
		const char *when = json_string(json_get(document, "set_at"));

		if (!when || clock_parse_rfc3339(when, &us) < 0)
			us = 0;
	}
	json_free(document);
	return us;
}
