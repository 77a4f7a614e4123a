/* consumer_lag.c - the functions of tide_consumer.h for lag, and for waiting for consumers. */
#include "api/database.h"
#include "os/commit_notifier.h"
#include "os/worker_slots.h"
#include "stream/consumer.h"
#include "stream/lag.h"
#include "tide_consumer.h"

/* A consumer, and the snapshot in which it was read. */
struct found {
	struct view_of_streams view;
	struct consumer_row row;
	struct progress_row progress;
};

/* Reads a consumer. Returns END if there is none. */
static int find(struct found *found, struct slice name)
{
	int err = consumer_read(&found->row, found->view.txn, name);

	if (err)
		return err;
	err = progress_read_oldest(&found->progress, found->view.txn, found->row.id);
	return err == END ? ERR_CORRUPT : err;
}

/* --- lag --- */

int tide_consumer_lag(struct tide *tide, struct slice name, struct lag *lag,
	struct failure *failure)
{
	struct read_view snapshot;
	struct found found;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &found.view);
	err = find(&found, name);
	if (!err)
		err = lag_of(lag, &found.view, &found.row, &found.progress);
	return tide_read_end(tide, &snapshot, consumer_failed(failure, err, name), failure);
}

static int put_lag(struct buffer *lags, struct found *found, struct slice name)
{
	struct lag lag;
	int err = find(found, name);

	if (!err)
		err = lag_of(&lag, &found->view, &found->row, &found->progress);
	if (err)
		return err == END ? ERR_CORRUPT : err;
	buffer_put_counted(lags, name);
	buffer_put(lags, &lag, sizeof lag);
	return 0;
}

static int put_lags(struct buffer *lags, struct found *found, struct buffer *names,
	struct failure *failure)
{
	int err = consumer_names(names, found->view.txn);
	struct source source = source_of(buffer_slice(names));

	if (err)
		return fail(failure, err);
	while (source_left(&source)) {
		struct slice name = source_counted(&source);

		err = put_lag(lags, found, name);
		if (err)
			return consumer_failed(failure, err, name);
	}
	return buffer_error(lags) ? fail(failure, buffer_error(lags)) : 0;
}

int tide_consumer_lags(struct tide *tide, struct buffer *lags, struct failure *failure)
{
	struct buffer names = { 0 };
	struct read_view snapshot;
	struct found found;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &found.view);
	buffer_clear(lags);
	err = put_lags(lags, &found, &names, failure);
	buffer_release(&names);
	return tide_read_end(tide, &snapshot, err, failure);
}

/* --- waiting --- */

static int test_processed(struct found *found, struct slice name, uint64_t id, uint64_t sequence,
	bool *processed, struct failure *failure)
{
	int err = find(found, name);

	if (!err && found->row.id != id)
		err = END;
	if (!err && sequence > found->view.state->sequence)
		return fail_with(failure, ERR_AHEAD,
			"sequence number %llu, but the last change has %llu",
			(unsigned long long)sequence,
			(unsigned long long)found->view.state->sequence);
	if (!err)
		err = lag_has_processed(processed, &found->view, &found->row, &found->progress,
			sequence);
	return consumer_failed(failure, err, name);
}

int tide_consumer_has_processed(struct tide *tide, struct slice name, uint64_t id,
	uint64_t sequence, bool *processed, struct failure *failure)
{
	struct read_view snapshot;
	struct found found;
	int err = tide_read_committed_begin(tide, &snapshot, failure);

	if (err)
		return err;
	tide_view_streams(tide, &snapshot, &found.view);
	err = test_processed(&found, name, id, sequence, processed, failure);
	return tide_read_end(tide, &snapshot, err, failure);
}

/* Returns the groups of the streams, for commit_notify. */
static uint64_t groups_of(struct slice streams)
{
	uint64_t groups = 0;

	for (size_t i = 0; i < streams.len; i += 4)
		groups |= commit_group_bit(get_u32(streams.data + i));
	return groups;
}

/* A worker that reads several streams waits for all commits, which every call of commit_notify
 * counts. */
int tide_ask_consumer(struct tide *tide, struct slice name, uint64_t id, uint64_t sequence,
	struct failure *failure)
{
	struct shared_page *shared = store_shared_page(tide->store);
	struct consumer_row row;
	struct read_view snapshot;
	uint64_t groups = 0;
	int err;

	if (!worker_ask(shared, id, sequence))
		return 0;
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	err = consumer_read(&row, snapshot.txn, name);
	if (!err)
		groups = groups_of(row.streams);
	err = tide_read_end(tide, &snapshot, consumer_failed(failure, err, name), failure);
	if (!err)
		commit_notify(shared, groups);
	return err;
}

uint32_t tide_progress_count(const struct tide *tide)
{
	return progress_count(store_shared_page(tide->store));
}

int tide_progress_wait(struct tide *tide, uint32_t seen, uint32_t ms)
{
	return progress_wait(store_shared_page(tide->store), seen, store_wait_ms(tide->store, ms));
}
