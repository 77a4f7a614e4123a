/* waiting.c - the contract's waiting: for commits, asleep or by a descriptor. */
#include "base/memory.h"
#include "database.h"

uint32_t tide_listen(struct tide *tide)
{
	return wake_listen(store_wake(tide->store));
}

int tide_wait(struct tide *tide, uint32_t ticket, uint32_t ms)
{
	return wake_wait(store_wake(tide->store), ticket, store_wait_ms(tide->store, ms));
}

void tide_unlisten(struct tide *tide)
{
	wake_unlisten(store_wake(tide->store));
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

/* --- descriptors --- */

struct tide_bell {
	struct tide *tide;
	struct bell *bell;
};

int tide_bell_open(struct tide_bell **out, struct tide *tide, struct failure *failure)
{
	struct tide_bell *bell = memory_zeroed(sizeof *bell);
	int err;

	*out = NULL;
	if (!bell)
		return fail(failure, ERR_NO_MEMORY);
	bell->tide = tide;
	err = bell_open(&bell->bell, store_wake(tide->store), failure);
	if (err)
		memory_give_back(bell);
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
	return store_wait_ms(bell->tide->store, WAKE_LONGEST_SLEEP_MS);
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
	memory_give_back(bell);
}
