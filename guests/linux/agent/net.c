/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards: each is brought up with an address of its own, 10 and the last three numbers of its MAC, and whatever
 * comes to port 7 is sent back (RFC 862), by datagram and by connection. `net` tells of each card.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CARDS_MAX 8
#define ECHO_PORT 7
#define LARGEST   2048
#define AT_A_TIME 8 /* datagrams: the heart must beat meanwhile */
#define LOOK_MS   50
#define QUIET     10 /* looks between two statements of a card that has nothing new to tell */

struct card {
    char name[IFNAMSIZ];
    u8 mac[6];
    u64 flaps; /* as told last */
};
static struct card cards[CARDS_MAX];
static int card_count;
static int control = -1, datagrams = -1;

static struct ifreq request(const char *name)
{
    struct ifreq wanted = {0};

    snprintf(wanted.ifr_name, sizeof wanted.ifr_name, "%s", name);
    return wanted;
}

/* The number in /sys/class/net/NAME/WHAT. */
static u64 number(const char *name, const char *what)
{
    char path[128];
    unsigned long long value = 0;

    snprintf(path, sizeof path, "/sys/class/net/%s/%s", name, what);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%llu", &value) != 1)
        value = 0;
    if (file)
        fclose(file);
    return value;
}

static const char *driver(const char *name, char *target, size_t size)
{
    char path[128];

    snprintf(path, sizeof path, "/sys/class/net/%s/device/driver", name);
    ssize_t length = readlink(path, target, size - 1);
    if (length < 0)
        return "";
    target[length] = 0;
    const char *last = strrchr(target, '/');
    return last ? last + 1 : target;
}

static void tell(struct card *card, const u32 *id)
{
    char mac[18], target[256];
    const u8 *m = card->mac;

    snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    statement_begin("net");
    if (id)
        statement_hex("id", *id);
    statement_text("name", card->name);
    statement_text("mac", mac);
    statement_text("driver", driver(card->name, target, sizeof target));
    statement_hex("up", number(card->name, "carrier"));
    statement_hex("flaps", card->flaps = number(card->name, "carrier_changes"));
    statement_hex("rx", number(card->name, "statistics/rx_packets"));
    statement_hex("tx", number(card->name, "statistics/tx_packets"));
    statement_hex("errors", number(card->name, "statistics/rx_errors") + number(card->name, "statistics/tx_errors"));
    statement_end();
}

/* Twice a second, and when a link was lost or found. */
static void look(void *context)
{
    static u32 looks;
    bool due = !(++looks % QUIET);

    (void)context;
    for (int i = 0; i < card_count; i++)
        if (due || number(cards[i].name, "carrier_changes") != cards[i].flaps)
            tell(&cards[i], NULL);
}

static void echo_datagrams(void *context)
{
    char data[LARGEST];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length;

    (void)context;
    for (int left = AT_A_TIME; left--;) {
        length = recvfrom(datagrams, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (length < 0)
            return;
        sendto(datagrams, data, (size_t)length, MSG_DONTWAIT, (struct sockaddr *)&from, size);
        size = sizeof from;
    }
}

/* What is read is what the other end can take at once: few bytes are ever under way. */
static void echo_connection(void *context)
{
    int connection = (int)(intptr_t)context;
    char data[LARGEST];
    ssize_t length = recv(connection, data, sizeof data, MSG_DONTWAIT);

    if (length > 0 && send(connection, data, (size_t)length, MSG_NOSIGNAL) == length)
        return;
    if (length < 0 && errno == EAGAIN)
        return;
    unwatch(connection);
    close(connection);
}

static void accept_connection(void *context)
{
    int connection = accept4((int)(intptr_t)context, NULL, NULL, SOCK_CLOEXEC);

    if (connection >= 0)
        watch(connection, EPOLLIN, echo_connection, (void *)(intptr_t)connection);
}

static int bound(int kind)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(ECHO_PORT)};
    int made = socket(AF_INET, kind | SOCK_CLOEXEC, 0);

    if (made < 0 || bind(made, (struct sockaddr *)&here, sizeof here))
        die("port %d", ECHO_PORT);
    return made;
}

/* With the first card: a guest without any has no open port. */
static void serve(void)
{
    datagrams = bound(SOCK_DGRAM);
    watch(datagrams, EPOLLIN, echo_datagrams, NULL);
    int connections = bound(SOCK_STREAM);
    if (listen(connections, 4))
        die("listen");
    watch(connections, EPOLLIN, accept_connection, (void *)(intptr_t)connections);
    every(LOOK_MS, look, NULL);
}

static bool is_known(const char *name)
{
    for (int i = 0; i < card_count; i++)
        if (!strcmp(cards[i].name, name))
            return true;
    return false;
}

static bool set(const char *name, const u8 *mac)
{
    struct ifreq wanted = request(name);
    struct sockaddr_in *address = (struct sockaddr_in *)&wanted.ifr_addr;

    *address = (struct sockaddr_in){.sin_family = AF_INET};
    memcpy(&address->sin_addr, (u8[]){10, mac[3], mac[4], mac[5]}, 4);
    if (ioctl(control, SIOCSIFADDR, &wanted))
        return false;
    address->sin_addr.s_addr = htonl(0xff000000);
    if (ioctl(control, SIOCSIFNETMASK, &wanted))
        return false;
    wanted = request(name);
    wanted.ifr_flags = IFF_UP | IFF_RUNNING;
    return !ioctl(control, SIOCSIFFLAGS, &wanted);
}

static void bring_up(const struct uevent *device)
{
    const char *name = strrchr(device->path, '/');
    struct ifreq wanted = request(name ? name + 1 : "");

    if (strcmp(device->subsystem, "net") || strcmp(device->action, "add") || card_count == CARDS_MAX)
        return;
    if (control < 0)
        control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (is_known(wanted.ifr_name) || ioctl(control, SIOCGIFHWADDR, &wanted))
        return;
    if (wanted.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return;
    struct card *card = &cards[card_count];
    memcpy(card->name, wanted.ifr_name, sizeof card->name);
    memcpy(card->mac, wanted.ifr_hwaddr.sa_data, sizeof card->mac);
    if (!set(card->name, card->mac))
        return;
    if (!card_count++)
        serve();
    tell(card, NULL);
}

static bool command(u32 id, const char *words)
{
    if (strcmp(words, "net") || !card_count)
        return false;
    beat_now();
    for (int i = 0; i < card_count; i++)
        tell(&cards[i], i == card_count - 1 ? &id : NULL);
    return true;
}

SUBJECT(net) = {.device = bring_up, .command = command, .feature = "net"};
