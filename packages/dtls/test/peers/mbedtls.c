// A peer over Mbed TLS, which embedded devices have: DTLS 1.2 with use_srtp (RFC 5764) on a UDP socket, as client or server.
//
//   mbedtls-peer client PORT KEY CERTIFICATE [MTU]     mbedtls-peer server PORT KEY CERTIFICATE [MTU]
//
// Prints "ready" once a server listens, then "connected SUITE PROFILE" and the keys as hexadecimal digits, and sends back what it is sent, until the other side closes.
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int code, const char *what) {
  char text[128];
  if (code >= 0) return;
  mbedtls_strerror(code, text, sizeof text);
  printf("failed: %s: -0x%04x %s\n", what, -code, text);
  exit(1);
}

// what the exporter of RFC 5705 is computed from
static struct {
  unsigned char master[48];
  unsigned char random[64];
  mbedtls_tls_prf_types prf;
} secrets;

static int keep(void *context, const unsigned char *master, const unsigned char *block, size_t mac, size_t key, size_t iv,
                const unsigned char client[32], const unsigned char server[32], mbedtls_tls_prf_types prf) {
  memcpy(secrets.master, master, 48);
  memcpy(secrets.random, client, 32);
  memcpy(secrets.random + 32, server, 32);
  secrets.prf = prf;
  return 0;
}

int main(int count, char **arguments) {
  if (count < 5) return 2;
  setvbuf(stdout, NULL, _IONBF, 0);
  int server = strcmp(arguments[1], "server") == 0;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config config;
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  mbedtls_net_context listener, socket;
  mbedtls_ssl_cookie_ctx cookies;
  mbedtls_timing_delay_context timer;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random);
  mbedtls_ssl_init(&ssl);
  mbedtls_ssl_config_init(&config);
  mbedtls_x509_crt_init(&certificate);
  mbedtls_pk_init(&key);
  mbedtls_net_init(&listener);
  mbedtls_net_init(&socket);
  mbedtls_ssl_cookie_init(&cookies);
  check(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
  check(mbedtls_x509_crt_parse_file(&certificate, arguments[4]), "certificate");
  check(mbedtls_pk_parse_keyfile(&key, arguments[3], NULL), "key");
  check(mbedtls_ssl_config_defaults(&config, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                    MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT), "defaults");
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_OPTIONAL);
  check(mbedtls_ssl_conf_own_cert(&config, &certificate, &key), "own certificate");
  check(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random), "cookies");
  mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
  static const mbedtls_ssl_srtp_profile profiles[] = {
      MBEDTLS_TLS_SRTP_AES128_CM_HMAC_SHA1_80, MBEDTLS_TLS_SRTP_AES128_CM_HMAC_SHA1_32, MBEDTLS_TLS_SRTP_UNSET};
  check(mbedtls_ssl_conf_dtls_srtp_protection_profiles(&config, profiles), "profiles");
  mbedtls_ssl_conf_export_keys_ext_cb(&config, keep, NULL);
  check(mbedtls_ssl_setup(&ssl, &config), "setup");
  if (count > 5) mbedtls_ssl_set_mtu(&ssl, atoi(arguments[5]));
  mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);

  int code;
  if (server) {
    check(mbedtls_net_bind(&listener, "127.0.0.1", arguments[2], MBEDTLS_NET_PROTO_UDP), "bind");
    printf("ready\n");
  } else {
    check(mbedtls_net_connect(&socket, "127.0.0.1", arguments[2], MBEDTLS_NET_PROTO_UDP), "connect");
  }
  do {
    if (server) {
      // after a HelloVerifyRequest, the next hello begins anew
      unsigned char address[16];
      size_t length;
      mbedtls_net_free(&socket);
      mbedtls_ssl_session_reset(&ssl);
      check(mbedtls_net_accept(&listener, &socket, address, sizeof address, &length), "accept");
      check(mbedtls_ssl_set_client_transport_id(&ssl, address, length), "transport id");
    }
    mbedtls_ssl_set_bio(&ssl, &socket, mbedtls_net_send, mbedtls_net_recv, mbedtls_net_recv_timeout);
    do code = mbedtls_ssl_handshake(&ssl);
    while (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE);
  } while (code == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
  check(code, "handshake");

  mbedtls_dtls_srtp_info srtp;
  mbedtls_ssl_get_dtls_srtp_negotiation_result(&ssl, &srtp);
  printf("connected %s %d\n", mbedtls_ssl_get_ciphersuite(&ssl), srtp.chosen_dtls_srtp_profile);
  unsigned char material[60];
  check(mbedtls_ssl_tls_prf(secrets.prf, secrets.master, 48, "EXTRACTOR-dtls_srtp", secrets.random, 64, material,
                            sizeof material), "exporter");
  for (size_t i = 0; i < sizeof material; i++) printf("%02x", material[i]);
  printf("\n");

  for (;;) {
    unsigned char message[2048];
    code = mbedtls_ssl_read(&ssl, message, sizeof message);
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE) continue;
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) break;
    check(code, "read");
    if (code == 0) break;
    code = mbedtls_ssl_write(&ssl, message, code);
    check(code, "write");
  }
  printf("closed\n");
  return 0;
}
