/* waiting.c - the contract's waiting: for commits, asleep or by a descriptor. */
#include "base/memory.h"
#include "database.h"
#include "sys/pause.h"

uint32_t tide_listen(struct tide *tide)
{
	return wake_listen(store_wake(tide->store));
}

int tide_wait(struct tide *tide, uint32_t ticket, uint32_t ms)
{
	return wake_wait(store_wake(tide->store), ticket, ms);
}

void tide_unlisten(struct tide *tide)
{
	wake_unlisten(store_wake(tide->store));
}

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
	return bell_wait(bell->bell, ms);
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

int tide_pause_start(int *descriptor, uint32_t ms, struct failure *failure)
{
	return pause_start(descriptor, ms, failure);
}

int tide_pause_wait(int descriptor)
{
	return pause_wait(descriptor);
}

void tide_pause_end(int descriptor)
{
	pause_end(descriptor);
}
