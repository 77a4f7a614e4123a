/* calls_waiting.h - the calls of calls.h that wait for commits and for the write lock. */
#ifndef UNIT_CALLS_WAITING_H
#define UNIT_CALLS_WAITING_H

#include "unit/calling.h"

static int run_waiter(struct tide *tide)
{
	struct tide_waiter *waiter;
	int err = tide_waiter_open(&waiter, tide, false, &failure);

	if (err)
		return err;
	tide_waiter_sleep(waiter, 1);
	tide_waiter_use(waiter);
	err = tide_begin(tide, &failure);
	tide_abort(tide);
	tide_waiter_close(waiter);
	return err;
}

static int run_wakeup(struct tide *tide)
{
	struct tide_wakeup *wakeup;
	int err = tide_wakeup_open(&wakeup, tide, WAKEUP_COMMITS, &failure);

	CHECK((err == 0) == (wakeup != NULL));
	tide_wakeup_close(wakeup);
	return err;
}

#endif
