/* wait.c - waiting for the write lock and for commits, and the check of the file's name that
 * followers make while they wait.
 */
#include "api/database.h"
#include "base/memory.h"

/* --- waiting for the write lock --- */

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

/* In a forked child the place in the queue belongs to the parent process, so it is not changed. */
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

/* Returns FILE_REPLACED if the given path leads to another file. Returns 0 if it does not exist,
 * because the store's path still leads to the file, so only a symbolic link was removed. */
static int check_given_path(const struct tide *tide, struct failure *failure)
{
	int err = store_check_path(tide->store, tide->given_path, failure);

	return err == ERR_FILE_REPLACED ? err : 0;
}

int tide_check_name(struct tide *tide, struct failure *failure)
{
	uint64_t now_ms = clock_elapsed_ms(clock_system());
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

/* --- waiting at a descriptor --- */

struct tide_wakeup {
	struct tide *tide;
	struct wakeup *wakeup;
};

int tide_wakeup_open(struct tide_wakeup **out, struct tide *tide, enum wakeup_kind kind,
	struct failure *failure)
{
	struct tide_wakeup *wakeup = memory_alloc_zeroed(sizeof *wakeup);
	int err;

	*out = NULL;
	if (!wakeup)
		return fail(failure, ERR_NO_MEMORY);
	wakeup->tide = tide;
	err = wakeup_open(&wakeup->wakeup, store_shared_page(tide->store), kind, failure);
	if (err)
		memory_free(wakeup);
	else
		*out = wakeup;
	return err;
}

int tide_wakeup_descriptor(const struct tide_wakeup *wakeup)
{
	return wakeup_descriptor(wakeup->wakeup);
}

int tide_wakeup_wait(const struct tide_wakeup *wakeup, uint32_t ms)
{
	return wakeup_wait(wakeup->wakeup, store_wait_ms(wakeup->tide->store, ms));
}

uint32_t tide_wakeup_timeout(const struct tide_wakeup *wakeup)
{
	return store_wait_ms(wakeup->tide->store, WAIT_MAX_MS);
}

void tide_wakeup_clear(struct tide_wakeup *wakeup)
{
	wakeup_clear(wakeup->wakeup);
}

void tide_wakeup_close(struct tide_wakeup *wakeup)
{
	if (!wakeup)
		return;
	if (store_is_foreign(wakeup->tide->store))
		wakeup_forget(wakeup->wakeup);
	else
		wakeup_close(wakeup->wakeup);
	memory_free(wakeup);
}
