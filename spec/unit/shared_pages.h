/* shared_pages.h - opens the shared page in the test's directory, in several processes. */
#ifndef UNIT_SHARED_PAGES_H
#define UNIT_SHARED_PAGES_H

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "os/shared_page.h"
#include "os/shared_page_layout.h"
#include "os/write_lock.h"
#include "unit/child.h"

static char path[4200];

static inline void use_test_directory(void)
{
	snprintf(path, sizeof path, "%s/x.tide-wake", check_directory());
}

/* Opens the page. Tries again while another process opens or closes it. */
static inline struct shared_page *open_page(void)
{
	struct failure failure = { 0 };
	struct shared_page *shared;
	bool alone;
	int err = shared_page_open(&shared, path, NULL, &alone, &failure);

	while (err == ERR_BUSY && failure.transient) {
		sched_yield();
		err = shared_page_open(&shared, path, NULL, &alone, &failure);
	}
	if (err) {
		fprintf(stderr, "%s\n", failure.message);
		exit(1);
	}
	shared_page_opened(shared);
	return shared;
}

/* Opens and closes the page. Returns 0 or the error of opening it once. */
static inline int try_open(struct failure *failure)
{
	struct shared_page *shared;
	bool alone;
	int err = shared_page_open(&shared, path, NULL, &alone, failure);

	if (!err) {
		shared_page_opened(shared);
		shared_page_close(shared);
	}
	return err;
}

/* Keeps the page open until the parent sends a byte. An argument of child_start. */
static inline void stay_open(struct child *parent, void *context)
{
	struct shared_page *shared = open_page();

	(void)context;
	child_tell(parent);
	child_hear(parent);
	shared_page_close(shared);
}

/* Allocates zeroed memory that children of fork share. */
static inline void *share_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static inline uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Does nothing, yields or spins for a short time, so that two processes meet in every
 * interleaving. */
static inline void pause_randomly(void)
{
	uint64_t kind = check_random_below(8);

	if (kind == 0)
		sched_yield();
	else if (kind < 5)
		for (volatile uint64_t i = check_random_below(3000); i; i--)
			;
}

#endif
