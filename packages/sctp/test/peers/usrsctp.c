// A peer over usrsctp, which browsers had for years: SCTP in datagrams on UDP sockets of loopback.
//
//   usrsctp-peer REMOTE_PORT listen|connect [idata] [eor] [window=BYTES]
//
// Does what it reads, a line each:
//   send STREAM PPID LENGTH u|o [rtx|ttl VALUE]     reset STREAM...     pause     resume     shutdown     abort     quit
// Prints "ready PORT", then what happens: "up", "restart", "msg STREAM PPID LENGTH SUM u|o", "reset in|out|failed STREAM...", "aborted", "down", "lost".
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usrsctp.h>

#define MOST (2 << 20)
#define STREAMS 1024
#ifndef SCTP_INTERLEAVING_SUPPORTED
#define SCTP_INTERLEAVING_SUPPORTED 0x1206
#endif

static int udp;
static struct sockaddr_in remote;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER, reading = PTHREAD_MUTEX_INITIALIZER;
static struct socket *volatile association;
static int eor;

static void say(const char *text) {
  pthread_mutex_lock(&printing);
  puts(text);
  pthread_mutex_unlock(&printing);
}

static int to_network(void *address, void *bytes, size_t length, uint8_t tos, uint8_t df) {
  return sendto(udp, bytes, length, 0, (struct sockaddr *)&remote, sizeof remote) < 0 ? errno : 0;
}

static void *from_network(void *unused) {
  static char bytes[65536];
  for (;;) {
    ssize_t length = recv(udp, bytes, sizeof bytes, 0);
    if (length > 0) usrsctp_conninput(&udp, bytes, length, 0);
  }
  return NULL;
}

static unsigned sum_of(const unsigned char *bytes, size_t length) {
  unsigned sum = 1;
  for (size_t i = 0; i < length; i++) sum = sum * 31 + bytes[i];
  return sum;
}

static void on_notification(const union sctp_notification *note) {
  char text[8192];
  if (note->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
    static const char *const names[] = {"", "up", "lost", "restart", "down", "failed"};
    uint16_t state = note->sn_assoc_change.sac_state;
    if (state < 6) say(names[state]);
  } else if (note->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
    const struct sctp_stream_reset_event *event = &note->sn_strreset_event;
    uint16_t flags = event->strreset_flags;
    size_t count = (event->strreset_length - sizeof *event) / sizeof(uint16_t);
    const char *way = flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED) ? "failed"
                      : flags & SCTP_STREAM_RESET_INCOMING_SSN                     ? "in"
                                                                                   : "out";
    int at = snprintf(text, sizeof text, "reset %s", way);
    for (size_t i = 0; i < count; i++)
      at += snprintf(text + at, sizeof text - at, " %u", event->strreset_stream_list[i]);
    say(text);
  }
}

// what has come of the messages of each stream, unordered ones apart
static struct {
  unsigned char *bytes;
  size_t length;
} partial[2 * STREAMS];

static void *reader(void *unused) {
  static unsigned char piece[1 << 16];
  for (;;) {
    struct sctp_rcvinfo info;
    socklen_t from = 0, size = sizeof info;
    unsigned kind = 0;
    int flags = 0;
    ssize_t count =
        usrsctp_recvv(association, piece, sizeof piece, NULL, &from, &info, &size, &kind, &flags);
    pthread_mutex_lock(&reading);
    pthread_mutex_unlock(&reading);
    if (count <= 0) {
      say(count < 0 && errno == ECONNRESET ? "aborted" : "end");
      return NULL;
    }
    if (flags & MSG_NOTIFICATION) {
      on_notification((union sctp_notification *)piece);
      continue;
    }
    int unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
    int at = 2 * (info.rcv_sid % STREAMS) + unordered;
    if (partial[at].length + count > MOST) abort();
    partial[at].bytes = realloc(partial[at].bytes, partial[at].length + count);
    memcpy(partial[at].bytes + partial[at].length, piece, count);
    partial[at].length += count;
    if (!(flags & MSG_EOR)) continue;
    char text[128];
    snprintf(text, sizeof text, "msg %u %u %zu %u %c", info.rcv_sid, ntohl(info.rcv_ppid), partial[at].length,
             sum_of(partial[at].bytes, partial[at].length), unordered ? 'u' : 'o');
    partial[at].length = 0;
    say(text);
  }
}

static void send_message(char *line) {
  static unsigned char message[MOST];
  unsigned stream, ppid, length, value = 0;
  char order, policy[8] = "";
  if (sscanf(line, "%u %u %u %c %7s %u", &stream, &ppid, &length, &order, policy, &value) < 4) return;
  for (unsigned i = 0; i < length; i++) message[i] = (stream * 31 + length + i * 7) & 0xff;
  struct sctp_sendv_spa spa;
  memset(&spa, 0, sizeof spa);
  spa.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  spa.sendv_sndinfo.snd_sid = stream;
  spa.sendv_sndinfo.snd_ppid = htonl(ppid);
  if (order == 'u') spa.sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
  if (*policy) {
    spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    spa.sendv_prinfo.pr_policy = strcmp(policy, "rtx") == 0 ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
    spa.sendv_prinfo.pr_value = value;
  }
  for (unsigned at = 0; at < length;) {
    // explicit ends of records: a message in several calls
    unsigned most = eor ? 50000 : length;
    unsigned part = length - at < most ? length - at : most;
    if (eor && at + part == length) spa.sendv_sndinfo.snd_flags |= SCTP_EOR;
    ssize_t sent = usrsctp_sendv(association, message + at, part, NULL, 0, &spa, sizeof spa, SCTP_SENDV_SPA, 0);
    if (sent <= 0) {
      char text[64];
      snprintf(text, sizeof text, "send failed: %s", strerror(errno));
      say(text);
      return;
    }
    at += sent;
  }
}

static void reset_streams(char *line) {
  char space[8192];
  struct sctp_reset_streams *request = (struct sctp_reset_streams *)space;
  memset(request, 0, sizeof *request);
  request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
    request->srs_stream_list[request->srs_number_streams++] = atoi(word);
  socklen_t size = sizeof *request + request->srs_number_streams * sizeof(uint16_t);
  // the one before may be under way
  for (int i = 0; i < 500; i++, usleep(10000)) {
    if (usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, size) == 0) return;
    if (errno != EALREADY && errno != EAGAIN) break;
  }
  say("reset not taken");
}

static void set(struct socket *socket, int name, const void *value, socklen_t size) {
  if (usrsctp_setsockopt(socket, IPPROTO_SCTP, name, value, size) == 0) return;
  printf("failed: option %#x: %s\n", name, strerror(errno));
  exit(1);
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int idata = 0, window = 0;
  for (int i = 3; i < count; i++) {
    if (strcmp(arguments[i], "idata") == 0) idata = 1;
    if (strcmp(arguments[i], "eor") == 0) eor = 1;
    sscanf(arguments[i], "window=%d", &window);
  }
  struct sockaddr_in local = {.sin_family = AF_INET};
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  remote = local;
  remote.sin_port = htons(atoi(arguments[1]));
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(udp, (struct sockaddr *)&local, sizeof local) < 0) return perror("bind"), 1;
  socklen_t length = sizeof local;
  getsockname(udp, (struct sockaddr *)&local, &length);
  char ready[32];
  snprintf(ready, sizeof ready, "ready %u", ntohs(local.sin_port));
  usrsctp_init(0, to_network, NULL);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_blackhole(0);
  usrsctp_register_address(&udp);
  usrsctp_sysctl_set_sctp_sendspace(2 * MOST);
  if (window) usrsctp_sysctl_set_sctp_recvspace(window);
  struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  int one = 1, two = 2;
  set(socket, SCTP_NODELAY, &one, sizeof one);
  set(socket, SCTP_RECVRCVINFO, &one, sizeof one);
  if (eor) set(socket, SCTP_EXPLICIT_EOR, &one, sizeof one);
  set(socket, SCTP_FRAGMENT_INTERLEAVE, idata ? &two : &one, sizeof one);
  if (idata) {
    struct sctp_assoc_value on = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 1};
    set(socket, SCTP_INTERLEAVING_SUPPORTED, &on, sizeof on);
  }
  struct sctp_assoc_value resets = {.assoc_id = SCTP_ALL_ASSOC, .assoc_value = 1};
  set(socket, SCTP_ENABLE_STREAM_RESET, &resets, sizeof resets);
  struct sctp_initmsg init = {.sinit_num_ostreams = STREAMS, .sinit_max_instreams = STREAMS};
  set(socket, SCTP_INITMSG, &init, sizeof init);
  struct sctp_rtoinfo rto = {.srto_initial = 500, .srto_min = 200, .srto_max = 2000};
  set(socket, SCTP_RTOINFO, &rto, sizeof rto);
  struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = 1191};
  path.spp_address.ss_family = AF_CONN;
  set(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
  for (int i = 0; i < 2; i++) {
    struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_on = 1};
    event.se_type = i == 0 ? SCTP_ASSOC_CHANGE : SCTP_STREAM_RESET_EVENT;
    set(socket, SCTP_EVENT, &event, sizeof event);
  }
  struct sockaddr_conn here = {.sconn_family = AF_CONN, .sconn_port = htons(5000), .sconn_addr = &udp};
  if (usrsctp_bind(socket, (struct sockaddr *)&here, sizeof here) < 0) return perror("usrsctp_bind"), 1;
  pthread_t thread;
  pthread_create(&thread, NULL, from_network, NULL);
  if (strcmp(arguments[2], "listen") == 0) {
    usrsctp_listen(socket, 1);
    say(ready);
    association = usrsctp_accept(socket, NULL, NULL);
    say("accepted");
  } else {
    say(ready);
    association = socket;
    if (usrsctp_connect(socket, (struct sockaddr *)&here, sizeof here) < 0) return perror("usrsctp_connect"), 1;
  }
  if (association == NULL) return perror("no association"), 1;
  pthread_create(&thread, NULL, reader, NULL);
  char line[8192];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "send ", 5) == 0) send_message(line + 5);
    else if (strncmp(line, "reset ", 6) == 0) reset_streams(line + 6);
    else if (strcmp(line, "pause") == 0) pthread_mutex_lock(&reading);
    else if (strcmp(line, "resume") == 0) pthread_mutex_unlock(&reading);
    else if (strcmp(line, "shutdown") == 0) usrsctp_shutdown(association, SHUT_WR);
    else if (strcmp(line, "abort") == 0) {
      struct linger hard = {.l_onoff = 1, .l_linger = 0};
      usrsctp_setsockopt(association, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      usrsctp_close(association);
    } else if (strcmp(line, "quit") == 0) break;
  }
  return 0;
}
