/* An MQTT client as an ESP32 has it: connects by mbedTLS with user name and token and prints the return code of CONNACK.
 * mbedtls-client PORT CA-FILE NAME USER TOKEN [rsa] ; exit 1 and the error code in hex where TLS fails. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, int code) {
  printf("%s: -0x%04x\n", what, (unsigned)-code);
  return 1;
}

static size_t put(unsigned char *to, const char *text) {
  size_t length = strlen(text);
  to[0] = (unsigned char)(length >> 8);
  to[1] = (unsigned char)length;
  memcpy(to + 2, text, length);
  return length + 2;
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  mbedtls_net_context net;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_x509_crt ca;
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
  static const int rsa_only[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
  int code;
  mbedtls_net_init(&net);
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random);
  mbedtls_x509_crt_init(&ca);
  mbedtls_ssl_config_init(&config);
  mbedtls_ssl_init(&ssl);
  if ((code = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0)) != 0)
    return fail("random", code);
  if ((code = mbedtls_x509_crt_parse_file(&ca, argv[2])) != 0) return fail("authority", code);
  if ((code = mbedtls_net_connect(&net, "127.0.0.1", argv[1], MBEDTLS_NET_PROTO_TCP)) != 0)
    return fail("connect", code);
  mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                              MBEDTLS_SSL_PRESET_DEFAULT);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(&config, &ca, NULL);
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
  if (argc > 6) mbedtls_ssl_conf_ciphersuites(&config, rsa_only);
  if ((code = mbedtls_ssl_setup(&ssl, &config)) != 0) return fail("setup", code);
  mbedtls_ssl_set_hostname(&ssl, argv[3]);
  mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
  if ((code = mbedtls_ssl_handshake(&ssl)) != 0) return fail("handshake", code);

  unsigned char packet[256] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60};
  size_t length = 12;
  length += put(packet + length, "esp");
  length += put(packet + length, argv[4]);
  length += put(packet + length, argv[5]);
  if (length - 2 > 127) return fail("token too long", (int)length);
  packet[1] = (unsigned char)(length - 2);
  if ((code = mbedtls_ssl_write(&ssl, packet, length)) < 0) return fail("write", code);
  unsigned char answer[4];
  size_t got = 0;
  while (got < sizeof answer) {
    code = mbedtls_ssl_read(&ssl, answer + got, sizeof answer - got);
    if (code <= 0) return fail("read", code);
    got += (size_t)code;
  }
  printf("%s %s CONNACK %d\n", MBEDTLS_VERSION_STRING, mbedtls_ssl_get_ciphersuite(&ssl), answer[3]);
  return 0;
}
