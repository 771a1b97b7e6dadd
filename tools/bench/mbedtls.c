// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Certificates are written, and connections between a client and a server in one
 * process made: handshakes by elliptic curves and by RSA, then data. Then the
 * library's own tests of its ciphers and hashes.
 */
#include <stdio.h>
#include <string.h>

#include "mbedtls/aes.h"
#include "mbedtls/base64.h"
#include "mbedtls/camellia.h"
#include "mbedtls/certs.h"
#include "mbedtls/chachapoly.h"
#include "mbedtls/gcm.h"
#include "mbedtls/sha256.h"
#include "mbedtls/sha512.h"
#include "mbedtls/ssl.h"
#include "mbedtls/x509_crt.h"

/* The same numbers each time: what is compared are instructions. */
static int numbers(void *arg, unsigned char *out, size_t n)
{
	static unsigned int x = 1;

	(void)arg;
	for (; n; n--)
		*out++ = (x = x * 1103515245 + 12345) >> 16;
	return 0;
}

struct pipe {
	unsigned char bytes[1 << 16];
	size_t in, out;
};

static struct pipe pipes[2];

static int put(struct pipe *p, const unsigned char *from, size_t n)
{
	if (n > sizeof(p->bytes) - p->in)
		n = sizeof(p->bytes) - p->in;
	if (!n)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	memcpy(p->bytes + p->in, from, n);
	p->in += n;
	return n;
}

static int get(struct pipe *p, unsigned char *to, size_t n)
{
	if (n > p->in - p->out)
		n = p->in - p->out;
	if (!n)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(to, p->bytes + p->out, n);
	p->out += n;
	if (p->out == p->in)
		p->in = p->out = 0;
	return n;
}

/* The side @arg points to is where one reads from. */
static int send_it(void *arg, const unsigned char *from, size_t n)
{
	return put(&pipes[!*(int *)arg], from, n);
}

static int receive_it(void *arg, unsigned char *to, size_t n)
{
	return get(&pipes[*(int *)arg], to, n);
}

static int set_up(mbedtls_ssl_context *ssl, mbedtls_ssl_config *conf, int side,
		  const char *cert, const char *key, mbedtls_x509_crt *crt,
		  mbedtls_pk_context *pk)
{
	static int sides[2] = { 0, 1 };

	mbedtls_ssl_init(ssl);
	mbedtls_ssl_config_init(conf);
	mbedtls_x509_crt_init(crt);
	mbedtls_pk_init(pk);
	if (mbedtls_ssl_config_defaults(conf, side, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT))
		return 1;
	mbedtls_ssl_conf_rng(conf, numbers, NULL);
	mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
	if (mbedtls_x509_crt_parse(crt, (const void *)cert, strlen(cert) + 1))
		return 1;
	if (side == MBEDTLS_SSL_IS_SERVER) {
		if (mbedtls_pk_parse_key(pk, (const void *)key, strlen(key) + 1, NULL, 0) ||
		    mbedtls_ssl_conf_own_cert(conf, crt, pk))
			return 1;
	} else {
		mbedtls_ssl_conf_ca_chain(conf, crt, NULL);
	}
	if (mbedtls_ssl_setup(ssl, conf))
		return 1;
	mbedtls_ssl_set_bio(ssl, &sides[side], send_it, receive_it, NULL);
	return 0;
}

static int shake_hands(mbedtls_ssl_context *ssl)
{
	while (ssl[0].state != MBEDTLS_SSL_HANDSHAKE_OVER ||
	       ssl[1].state != MBEDTLS_SSL_HANDSHAKE_OVER)
		for (int i = 0; i < 2; i++) {
			int ret = 0;

			if (ssl[i].state != MBEDTLS_SSL_HANDSHAKE_OVER)
				ret = mbedtls_ssl_handshake(&ssl[i]);
			if (ret && ret != MBEDTLS_ERR_SSL_WANT_READ &&
			    ret != MBEDTLS_ERR_SSL_WANT_WRITE)
				return 1;
		}
	return 0;
}

static int connection(const char *cert, const char *key)
{
	mbedtls_ssl_context ssl[2];
	mbedtls_ssl_config conf[2];
	mbedtls_x509_crt crt[2];
	mbedtls_pk_context pk[2];
	unsigned char out[1000], in[1000];

	memset(pipes, 0, sizeof(pipes));
	for (int i = 0; i < 2; i++)
		if (set_up(&ssl[i], &conf[i], i, cert, key, &crt[i], &pk[i]))
			return 1;
	if (shake_hands(ssl))
		return 1;
	for (int i = 0; i < 200; i++) {
		memset(out, i, sizeof(out));
		if (mbedtls_ssl_write(&ssl[i & 1], out, sizeof(out)) != sizeof(out) ||
		    mbedtls_ssl_read(&ssl[!(i & 1)], in, sizeof(in)) != sizeof(in) ||
		    memcmp(in, out, sizeof(in)))
			return 1;
	}
	printf("%s %s\n", mbedtls_ssl_get_version(&ssl[0]), mbedtls_ssl_get_ciphersuite(&ssl[0]));
	for (int i = 0; i < 2; i++) {
		mbedtls_ssl_free(&ssl[i]);
		mbedtls_ssl_config_free(&conf[i]);
		mbedtls_x509_crt_free(&crt[i]);
		mbedtls_pk_free(&pk[i]);
	}
	return 0;
}

int main(void)
{
	if (connection(mbedtls_test_srv_crt_ec, mbedtls_test_srv_key_ec) ||
	    connection(mbedtls_test_srv_crt_rsa_sha256, mbedtls_test_srv_key_rsa))
		return 1;
	printf("%d\n", mbedtls_aes_self_test(0) | mbedtls_camellia_self_test(0) |
		       mbedtls_sha256_self_test(0) | mbedtls_sha512_self_test(0) |
		       mbedtls_gcm_self_test(0) | mbedtls_chachapoly_self_test(0) |
		       mbedtls_base64_self_test(0) | mbedtls_mpi_self_test(0));
	return 0;
}
