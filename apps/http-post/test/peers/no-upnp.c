/*
 * Stands in for libgupnp-igd, which libnice only asks to open ports of a home router. Debian 12 links it with libsoup 3 and whip-client with
 * libsoup 2, and libsoup ends a process that holds both: without this, the client ends before its first request.
 */
unsigned long gupnp_simple_igd_get_type(void) { return 20 << 2; /* G_TYPE_OBJECT */ }
void *gupnp_simple_igd_thread_new(void) { return 0; }
void gupnp_simple_igd_add_port(void) {}
void gupnp_simple_igd_remove_port_local(void) {}
