/* waiting.c - the contract's waiting: for the write lock, and at a descriptor. */
#include "base/memory.h"
#include "database.h"
#include "os/timer.h"

/* --- for the write lock --- */

int tide_waiter_open(struct tide_waiter **out, struct tide *tide, bool at_descriptor,
	struct failure *failure)
{
	struct tide_waiter *waiter = memory_alloc_zeroed(sizeof *waiter);

	*out = waiter;
	if (!waiter)
		return fail(failure, ERR_NO_MEMORY);
	waiter->tide = tide;
	waiter->lock.shared = store_shared_page(tide->store);
	waiter->lock.at_descriptor = at_descriptor;
	return 0;
}

void tide_waiter_use(struct tide_waiter *waiter)
{
	waiter->tide->waiter = waiter;
}

int tide_waiter_sleep(struct tide_waiter *waiter, uint32_t ms)
{
	return lock_waiter_sleep(&waiter->lock, ms);
}

uint64_t tide_waiter_arm(struct tide_waiter *waiter)
{
	return lock_waiter_arm(&waiter->lock);
}

/* In a child of fork the place in the queue is the parent's. */
void tide_waiter_close(struct tide_waiter *waiter)
{
	if (!waiter)
		return;
	if (waiter->tide->waiter == waiter)
		waiter->tide->waiter = NULL;
	if (!store_is_foreign(waiter->tide->store))
		lock_waiter_leave(&waiter->lock);
	memory_free(waiter);
}

/* --- the file's name --- */

#define CHECK_NAME_EVERY_MS 1000

/* Returns 0 if the given path names nothing: while the store's path names the file, only a
 * symbolic link to a directory was removed. */
static int check_given_path(const struct tide *tide, struct failure *failure)
{
	int err = store_check_path(tide->store, tide->given_path, failure);

	return err == ERR_FILE_REPLACED ? err : 0;
}

int tide_check_name(struct tide *tide, struct failure *failure)
{
	uint64_t now_ms = tide_elapsed_ms();
	int err;

	if (now_ms - tide->name_checked_ms < CHECK_NAME_EVERY_MS)
		return 0;
	err = store_check_name(tide->store, failure);
	if (!err && tide->given_path)
		err = check_given_path(tide, failure);
	if (!err)
		tide->name_checked_ms = now_ms;
	return err;
}

/* --- at a descriptor --- */

struct tide_bell {
	struct tide *tide;
	struct bell *bell;
};

int tide_bell_open(struct tide_bell **out, struct tide *tide, enum tide_event event,
	struct failure *failure)
{
	static const enum bell_kind kinds[] = {
		[TIDE_COMMITS] = BELL_COMMITS,
		[TIDE_UNLOCKS] = BELL_UNLOCKS,
	};
	struct tide_bell *bell = memory_alloc_zeroed(sizeof *bell);
	int err;

	*out = NULL;
	if (!bell)
		return fail(failure, ERR_NO_MEMORY);
	bell->tide = tide;
	err = bell_open(&bell->bell, store_shared_page(tide->store), kinds[event], failure);
	if (err)
		memory_free(bell);
	else
		*out = bell;
	return err;
}

int tide_bell_descriptor(const struct tide_bell *bell)
{
	return bell_descriptor(bell->bell);
}

int tide_bell_wait(const struct tide_bell *bell, uint32_t ms)
{
	return bell_wait(bell->bell, store_wait_ms(bell->tide->store, ms));
}

uint32_t tide_bell_timeout(const struct tide_bell *bell)
{
	return store_wait_ms(bell->tide->store, WAIT_MAX_MS);
}

void tide_bell_clear(struct tide_bell *bell)
{
	bell_clear(bell->bell);
}

void tide_bell_close(struct tide_bell *bell)
{
	if (!bell)
		return;
	if (store_is_foreign(bell->tide->store))
		bell_forget(bell->bell);
	else
		bell_close(bell->bell);
	memory_free(bell);
}

int tide_pause_start(int *descriptor, uint32_t ms, struct failure *failure)
{
	return timer_start(descriptor, ms, failure);
}

int tide_pause_wait(int descriptor)
{
	return timer_wait(descriptor);
}

void tide_pause_end(int descriptor)
{
	timer_end(descriptor);
}
