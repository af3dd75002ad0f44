// The system's time zones, each read from its file once. No setenv("TZ") and localtime_r: that isn't
// thread-safe.
#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/tzif.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define ZONE_NAME_MAX  63    // the longest today has 32 characters
#define ZONE_FILE_MAX  65536 // the largest today has 4 kB
#define ZONE_SLOTS     2048  // a power of two, above twice the about 600 names there are
#define ZONES_MAX      (ZONE_SLOTS / 2)

struct zone {
    char name[ZONE_NAME_MAX + 1];
    const struct tzif *tzif;
};

static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct zone *zones[ZONE_SLOTS]; // a hash table, never shrinking; guarded by zone_lock
static size_t zone_count;

// IANA names start with a capital; this also keeps out "posix/…", "right/…" (with leap seconds), "localtime"
// and files that aren't zones. No component starts with a dot.
static bool is_zone_name(const char *name)
{
    if (name[0] < 'A' || name[0] > 'Z')
        return false;
    size_t i = 0;
    for (; name[i] != '\0'; i++) {
        const char c = name[i];
        const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const bool inner = (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/';
        const bool after_slash = i > 0 && name[i - 1] == '/';
        if (i >= ZONE_NAME_MAX || (!letter && !inner) || (after_slash && !letter))
            return false;
    }
    return name[i - 1] != '/';
}

static bool read_all(int fd, uint8_t *buffer, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = read(fd, buffer + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static struct tzif *read_zone(const char *name)
{
    char path[sizeof ZONE_DIRECTORY + ZONE_NAME_MAX];
    snprintf(path, sizeof path, "%s%s", ZONE_DIRECTORY, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    struct tzif *tzif = NULL;
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= ZONE_FILE_MAX) {
        uint8_t *data = malloc((size_t)status.st_size);
        if (data != NULL && read_all(fd, data, (size_t)status.st_size))
            tzif_parse(data, (size_t)status.st_size, &tzif); // NULL when it fails
        free(data);
    }
    close(fd);
    return tzif;
}

// The table's slot of that name, or the empty one where it would be. Under zone_lock.
static const struct zone **find_slot(const char *name)
{
    size_t slot = hash_fnv1a(bytes_str(name)) % ZONE_SLOTS;
    while (zones[slot] != NULL && strcmp(zones[slot]->name, name) != 0)
        slot = (slot + 1) % ZONE_SLOTS;
    return &zones[slot];
}

// NULL: unknown. What it returns lives as long as the process.
static const struct tzif *find_zone(const char *name)
{
    if (!is_zone_name(name))
        return NULL;
    pthread_mutex_lock(&zone_lock);
    const struct zone **slot = find_slot(name);
    if (*slot == NULL && zone_count < ZONES_MAX) {
        struct tzif *tzif = read_zone(name);
        struct zone *zone = tzif == NULL ? NULL : calloc(1, sizeof *zone);
        if (zone == NULL) {
            tzif_free(tzif);
        } else {
            snprintf(zone->name, sizeof zone->name, "%s", name);
            zone->tzif = tzif;
            *slot = zone;
            zone_count++;
        }
    }
    const struct tzif *found = *slot == NULL ? NULL : (*slot)->tzif;
    pthread_mutex_unlock(&zone_lock);
    return found;
}

bool zone_exists(const char *zone)
{
    return find_zone(zone) != NULL;
}

bool zone_local(const char *zone, instant at, local_date *ret_date, int *ret_minute_of_day)
{
    const struct tzif *tzif = find_zone(zone);
    if (tzif == NULL)
        return false;
    const int64_t seconds = at / INSTANT_SECOND - (at % INSTANT_SECOND < 0);
    const int64_t local = seconds + tzif_offset(tzif, seconds);
    const int64_t date = local / 86400 - (local % 86400 < 0);
    *ret_date = (local_date)date;
    *ret_minute_of_day = (int)((local - date * 86400) / 60);
    return true;
}
