/* check.c - tide_check and tide_check_file: check an open database, or a file. */
#include "check/check.h"

#include "api/database.h"

/* Number of attempts to open a file that another process is opening or compacting, and the pause
 * between two of them in us: 5 seconds in all. */
#define OPEN_TRIES 500
#define OPEN_PAUSE_US 10000

int check_prepare(struct tide *tide, uint32_t *stale, struct failure *failure)
{
	*stale = 0;
	if (tide->transaction.txn)
		return fail(failure, ERR_NESTED);
	return tide->read_only ? 0 : store_clear_stale(tide->store, stale, failure);
}

int check_all_rows(struct tide *tide, struct report *report, struct progress *progress,
	struct failure *failure)
{
	uint32_t stale;
	int err = check_prepare(tide, &stale, failure);

	report_start(report);
	if (!err)
		err = check_store(tide->store, report, progress, failure);
	report->stale_readers = stale;
	return err;
}

int tide_check(struct tide *tide, struct report *report, struct failure *failure)
{
	return check_all_rows(tide, report, NULL, failure);
}

/* Opens the database read-only. Retries while another process opens or compacts it. */
static int open_to_check(struct tide **tide, const char *path, struct progress *progress,
	struct failure *failure)
{
	struct tide_options options = { .path = path, .read_only = true };
	struct failure result = { 0 };
	int err = tide_open(tide, &options, &result);

	for (int tries = 1; err == ERR_BUSY && result.transient && tries < OPEN_TRIES; tries++) {
		clock_sleep_us(OPEN_PAUSE_US);
		err = progress_step(progress, 0);
		err = err ? fail(&result, err) : tide_open(tide, &options, &result);
	}
	if (err && failure)
		*failure = result;
	return err;
}

int check_file(const char *path, struct report *report, struct progress *progress,
	struct failure *failure)
{
	struct tide *tide = NULL;
	bool moved;
	int err = check_still(path, report, progress, &moved, failure);

	if (!moved)
		return err;
	err = open_to_check(&tide, path, progress, failure);
	if (!err)
		err = check_all_rows(tide, report, progress, failure);
	tide_close(tide);
	return err;
}

int tide_check_file(const char *path, struct report *report, struct failure *failure)
{
	return check_file(path, report, NULL, failure);
}
