/* clock.c - wall clock, elapsed time and boot identity; manual clocks, and the process's clock.
 *
 * The manual clocks that replace the process's clock form a stack. A thread reads the top without
 * a lock, so a clock that was on the stack is not freed: it stays in the list of retired clocks.
 *
 * Elapsed time is CLOCK_BOOTTIME, which includes suspended time and cannot be set. Its values
 * are comparable only within one boot and one time namespace (a container may see a different
 * elapsed time than its host). The boot identity is therefore the kernel's boot id XORed with
 * the inode of the time namespace. If /proc does not provide the boot id, each process uses a
 * random identity, so that values of different processes are never compared.
 */
#include "os/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

struct clock {
	bool manual;
	_Atomic uint32_t owners;       /* reference count; unused for the system's clock */
	_Atomic uint64_t now_ms;       /* this and the next three fields: manual clocks only */
	_Atomic uint64_t elapsed_ms;
	_Atomic uint64_t boots;        /* number of clock_reboot calls */
	uint64_t identity;             /* random, so that no two manual clocks share a boot */
	struct clock *below;           /* next in the stack or in the list of retired clocks */
};

static struct clock the_system, the_process;
static pthread_mutex_t stack_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct clock *_Atomic stack;      /* top; NULL: the process's clock is the system's */
static struct clock *retired;
static uint8_t system_boot[CLOCK_BOOT_BYTES];
static pthread_once_t system_boot_once = PTHREAD_ONCE_INIT;

static void fill_random(void *bytes, size_t len)
{
	static _Atomic uint64_t calls;
	struct timespec time;
	uint64_t weak;

	if (getrandom(bytes, len, 0) == (ssize_t)len)
		return;
	clock_gettime(CLOCK_REALTIME, &time);
	weak = (uint64_t)time.tv_nsec ^ ((uint64_t)getpid() << 32) ^ atomic_fetch_add(&calls, 1);
	memset(bytes, 0, len);
	memcpy(bytes, &weak, len < sizeof weak ? len : sizeof weak);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Reads the kernel's boot id, which the kernel formats as 32 hexadecimal digits with dashes. */
static bool read_boot_id(uint8_t boot[CLOCK_BOOT_BYTES])
{
	char text[64];
	size_t digits = 0;
	ssize_t len;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	len = read(fd, text, sizeof text);
	close(fd);

	memset(boot, 0, CLOCK_BOOT_BYTES);
	for (ssize_t i = 0; i < len && digits < 2 * CLOCK_BOOT_BYTES; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			continue;
		boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | digit);
		digits++;
	}
	return digits == 2 * CLOCK_BOOT_BYTES;
}

static void load_system_boot(void)
{
	struct stat namespace;
	uint64_t inode;

	if (!read_boot_id(system_boot)) {
		fill_random(system_boot, sizeof system_boot);
		return;
	}
	if (stat("/proc/self/ns/time", &namespace))
		return;
	inode = namespace.st_ino;
	for (size_t i = 0; i < sizeof inode; i++)
		system_boot[i] ^= (uint8_t)(inode >> (8 * i));
}

struct clock *clock_system(void)
{
	return &the_system;
}

struct clock *clock_process(void)
{
	return &the_process;
}

/* Returns the clock that shows the time of this clock. */
static const struct clock *source_of(const struct clock *clock)
{
	const struct clock *top = clock == &the_process ? atomic_load(&stack) : NULL;

	return top ? top : clock;
}

struct clock *clock_manual(uint64_t now_ms)
{
	struct clock *clock = memory_alloc_zeroed(sizeof *clock);

	if (!clock)
		return NULL;
	clock->manual = true;
	atomic_init(&clock->owners, 1);
	atomic_init(&clock->now_ms, now_ms);
	fill_random(&clock->identity, sizeof clock->identity);
	return clock;
}

struct clock *clock_share(struct clock *clock)
{
	if (clock->manual)
		atomic_fetch_add(&clock->owners, 1);
	return clock;
}

void clock_drop(struct clock *clock)
{
	if (clock && clock->manual && atomic_fetch_sub(&clock->owners, 1) == 1)
		memory_free(clock);
}

static uint64_t read_ms(clockid_t which)
{
	struct timespec time;

	if (clock_gettime(which, &time) || time.tv_sec < 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

uint64_t clock_now_ms(const struct clock *clock)
{
	clock = source_of(clock);
	return clock->manual ? atomic_load(&clock->now_ms) : read_ms(CLOCK_REALTIME);
}

uint64_t clock_elapsed_ms(const struct clock *clock)
{
	clock = source_of(clock);
	return clock->manual ? atomic_load(&clock->elapsed_ms) : read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_monotonic_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000 + 1;
}

void clock_sleep_us(uint32_t us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&time, NULL);
}

void clock_boot(const struct clock *clock, uint8_t boot[CLOCK_BOOT_BYTES])
{
	uint64_t words[2];

	clock = source_of(clock);
	if (!clock->manual) {
		pthread_once(&system_boot_once, load_system_boot);
		memcpy(boot, system_boot, CLOCK_BOOT_BYTES);
		return;
	}
	words[0] = clock->identity;
	words[1] = atomic_load(&clock->boots);
	memcpy(boot, words, CLOCK_BOOT_BYTES);
}

void clock_advance(struct clock *clock, uint64_t ms)
{
	atomic_fetch_add(&clock->elapsed_ms, ms);
	atomic_fetch_add(&clock->now_ms, ms);
}

void clock_set(struct clock *clock, uint64_t now_ms)
{
	atomic_store(&clock->now_ms, now_ms);
}

void clock_reboot(struct clock *clock)
{
	atomic_store(&clock->elapsed_ms, 0);
	atomic_fetch_add(&clock->boots, 1);
}

/* Removes a clock from the stack. Returns false if it is not on the stack. */
static bool unlink_clock(const struct clock *clock)
{
	struct clock *top = atomic_load(&stack), *above = top;

	if (top == clock) {
		atomic_store(&stack, clock->below);
		return true;
	}
	while (above && above->below != clock)
		above = above->below;
	if (above)
		above->below = clock->below;
	return above != NULL;
}

void clock_replace(struct clock *clock)
{
	pthread_mutex_lock(&stack_mutex);
	atomic_store(&clock->elapsed_ms, clock_elapsed_ms(&the_process));
	clock->below = atomic_load(&stack);
	atomic_store(&stack, clock_share(clock));
	pthread_mutex_unlock(&stack_mutex);
}

void clock_restore(struct clock *clock)
{
	pthread_mutex_lock(&stack_mutex);
	if (unlink_clock(clock)) {
		clock->below = retired;
		retired = clock;
	}
	pthread_mutex_unlock(&stack_mutex);
}

bool clock_is_replaced(void)
{
	return atomic_load(&stack) != NULL;
}

void clock_pass(uint64_t ms)
{
	struct clock *top = atomic_load(&stack);

	if (top)
		clock_advance(top, ms);
}

void clock_text(char *text, size_t size, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc = { 0 };
	char date[40];

	if (!gmtime_r(&seconds, &utc) ||
			strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		snprintf(date, sizeof date, "1970-01-01T00:00:00");
	snprintf(text, size, "%s.%03u", date, (unsigned)(ms % 1000));
}
