/* database.c - struct tide: opening and closing, transactions, sweeps, read calls, tide_info. */
#include "api/database.h"

#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "lmdb/readers.h"
#include "os/file.h"
#include "os/worker_slots.h"
#include "tide_consumer.h"

/* --- a new file --- */

static int put_new_file_header(struct txn *txn, uint64_t now_ms, uint32_t page_bytes)
{
	struct file_header header;

	file_header_local(&header, page_bytes);
	header.created_ms = now_ms;
	header.made_by = slice_of_text("tidetable " TIDE_VERSION);
	if (getrandom(header.database_id, FILE_ID_BYTES, 0) != FILE_ID_BYTES ||
			getrandom(header.incarnation, FILE_ID_BYTES, 0) != FILE_ID_BYTES ||
			getrandom(header.secret, HASH_SECRET_BYTES, 0) != HASH_SECRET_BYTES)
		return ERR_STORE;
	return file_header_write(txn, &header);
}

static int put_initial_state(struct txn *txn, const struct clock *clock)
{
	struct buffer scratch = { 0 };
	struct state state = { .stream = STREAM_OF_TABLES, .catalog_version = 1 };
	struct time_sample sample;
	int err;

	time_sample_take(&sample, clock);
	expiry_clock_set(&state, &sample);
	retention_clock_set(&state, &sample);
	err = state_write(txn, &state, &scratch);
	buffer_release(&scratch);
	return err;
}

struct new_file {
	struct clock *clock;
	uint64_t max_size;           /* 0: none to record */
};

static int fill_new_file(struct txn *txn, void *context, struct failure *failure)
{
	const struct new_file *file = context;
	int err = put_new_file_header(txn, clock_now_ms(file->clock), txn_page_bytes(txn));

	if (!err)
		err = put_initial_state(txn, file->clock);
	if (!err)
		err = stream_write_of_tables(txn, clock_now_ms(file->clock));
	if (!err && file->max_size)
		err = max_size_write(txn, file->max_size);
	return err ? fail_about(failure, err, "the initial rows of a new database") : 0;
}

/* --- opening --- */

/* Reads the ids from which those of records are made. A file in which they are damaged can be
 * opened. */
static int read_identity(struct tide *tide)
{
	int err;

	buffer_clear(&tide->identity);
	buffer_put(&tide->identity, tide->header.database_id, FILE_ID_BYTES);
	buffer_put(&tide->identity, tide->header.incarnation, FILE_ID_BYTES);
	err = incarnations_read(tide->reader, &tide->identity);
	if (err == ERR_CORRUPT)
		buffer_clear(&tide->identity);
	return err == ERR_CORRUPT ? 0 : err;
}

static int read_file_header(struct tide *tide, struct failure *failure)
{
	int err = reader_renew(tide->reader, failure);

	if (err)
		return err;
	err = file_header_read(tide->reader, &tide->header);
	tide->header.made_by = slice_of(NULL, 0);
	reader_reset(tide->reader);
	return err ? fail(failure, err) : store_check_trees(tide->store, failure);
}

/* Reads the rows that never change while the file is open. */
static int read_fixed_rows(struct tide *tide, struct failure *failure)
{
	int err = read_file_header(tide, failure);

	if (err)
		return err;
	err = reader_renew(tide->reader, failure);
	if (err)
		return err;
	err = read_identity(tide);
	reader_reset(tide->reader);
	return err ? fail_about(failure, err, "the incarnations of the file") : 0;
}

/* Reads the incarnations again if the catalog has changed, because a promotion gives the file a new
 * one, or if they could not be read. */
static int refresh_identity(struct tide *tide)
{
	struct file_header header;
	int err;

	if (tide->identity_at == tide->state.catalog_version)
		return 0;
	err = file_header_read(tide->reader, &header);
	if (!err) {
		memcpy(tide->header.incarnation, header.incarnation, FILE_ID_BYTES);
		err = read_identity(tide);
	}
	tide->identity_at = err || !tide->identity.len ? 0 : tide->state.catalog_version;
	return err;
}

struct slice tide_identity(const struct tide *tide)
{
	return buffer_slice(&tide->identity);
}

/* waiter: the caller's place in the queue for the write lock, or NULL. */
static int begin_transaction(struct tide *tide, struct tide_waiter *waiter, struct failure *failure)
{
	struct shared_page *shared = store_shared_page(tide->store);
	int err = waiter ? lock_waiter_try(&waiter->lock) : write_lock_try(shared);

	if (err)
		return fail_busy(failure, write_lock_owner(shared), "%s", error_text(err));
	err = transaction_begin(&tide->transaction, failure);
	if (err)
		write_lock_release(shared);
	return err;
}

static bool is_weak(const struct tide *tide)
{
	return store_options(tide->store)->durability != DURABILITY_FULL;
}

/* At a durability level below full a power cut may undo commits whose sequence numbers readers
 * have seen. No sequence number may be used again, so SEQUENCE_SKIP is added to the last one if the
 * file has the mark of an earlier boot. Sets *flush to true if a new mark was written. */
static int mark_boot(struct tide *tide, bool *flush)
{
	struct transaction *transaction = &tide->transaction;
	bool same;
	int err = weak_boot_read(transaction->txn, &same);

	if (err == ERR_CORRUPT || (!err && !same)) {
		transaction->state.sequence += SEQUENCE_SKIP;
		transaction->changed = true;
		err = weak_boot_delete(transaction->txn);
	}
	*flush = err >= 0 && is_weak(tide) && !same;
	if (*flush) {
		err = weak_boot_write(transaction->txn);
		transaction->changed = true;
	}
	return err < 0 ? err : 0;
}

/* Returns the maximum size that the file records, 0 if it has none or the row is damaged. */
static uint64_t recorded_size(struct txn *txn)
{
	uint64_t recorded;

	return max_size_read(txn, &recorded) ? 0 : recorded;
}

static int mark_size(struct tide *tide)
{
	struct transaction *transaction = &tide->transaction;

	if (!tide->max_size || tide->max_size == recorded_size(transaction->txn))
		return 0;
	transaction->changed = true;
	return max_size_write(transaction->txn, tide->max_size);
}

static int mark_opening(struct tide *tide, struct failure *failure)
{
	struct tide_waiter *waiter = tide->waiter;
	bool flush = false;
	int err;

	tide->waiter = NULL;
	err = begin_transaction(tide, waiter, failure);
	if (err)
		return err;
	err = mark_boot(tide, &flush);
	if (!err)
		err = mark_size(tide);
	if (err) {
		tide_abort(tide);
		return fail(failure, err);
	}
	err = tide_commit(tide, failure);
	return err || !flush ? err : store_sync(tide->store, failure);
}

/* Uses the recorded maximum size if tide_open got none. Sets tide->mark_due if mark_opening must
 * run, which needs the write lock. */
static int read_marks(struct tide *tide, struct failure *failure)
{
	bool same;
	uint64_t recorded;
	int err = reader_renew(tide->reader, failure);

	if (err)
		return err;
	err = weak_boot_read(tide->reader, &same);
	tide->mark_due = err == END ? is_weak(tide) : !same;
	recorded = recorded_size(tide->reader);
	reader_reset(tide->reader);
	if (tide->max_size && tide->max_size != recorded)
		tide->mark_due = true;
	if (tide->read_only)
		tide->mark_due = false;
	store_set_limit(tide->store, recorded ? recorded : STORE_DEFAULT_MAX_BYTES);
	return 0;
}

int tide_mark_opening(struct tide *tide, struct failure *failure)
{
	int err;

	if (!tide->mark_due)
		return 0;
	err = mark_opening(tide, failure);
	if (!err)
		tide->mark_due = false;
	return err;
}

static int open_store(struct tide *tide, const struct tide_options *options,
	struct failure *failure)
{
	struct new_file file = {
		.clock = options->clock ? options->clock : clock_process(),
		.max_size = options->max_bytes,
	};
	struct store_options store_options = {
		.path = options->path,
		.in_memory = options->in_memory,
		.read_only = options->read_only,
		.create = options->create,
		.alone = options->alone,
		.durability = options->durability,
		.max_bytes = options->max_bytes,
		.clock = file.clock,
		.fill = fill_new_file,
		.context = &file,
	};

	return store_open(&tide->store, &store_options, failure);
}

/* Keeps the given path for tide_check_name, because a symbolic link in this path may later lead to
 * another directory. */
static int keep_given_path(struct tide *tide, const struct tide_options *options,
	struct failure *failure)
{
	char absolute[PATH_MAX];
	size_t size;

	if (options->in_memory || !file_absolute(absolute, options->path) ||
			strcmp(absolute, store_options(tide->store)->path) == 0)
		return 0;
	size = strlen(absolute) + 1;
	tide->given_path = memory_alloc(size);
	if (!tide->given_path)
		return fail(failure, ERR_NO_MEMORY);
	memcpy(tide->given_path, absolute, size);
	return 0;
}

static int draw_opening(struct tide *tide, struct failure *failure)
{
	if (getrandom(tide->opening, WORKER_OPENING_BYTES, 0) == WORKER_OPENING_BYTES)
		return 0;
	return fail_with(failure, ERR_STORE, "can't get random numbers from the system");
}

int tide_open(struct tide **out, const struct tide_options *options, struct failure *failure)
{
	struct tide *tide = memory_alloc_zeroed(sizeof *tide);
	int err;

	*out = NULL;
	if (!tide)
		return fail(failure, ERR_NO_MEMORY);
	tide->read_only = options->read_only;
	tide->max_size = options->in_memory ? 0 : options->max_bytes;
	err = draw_opening(tide, failure);
	if (!err)
		err = open_store(tide, options, failure);
	tide->name_checked_ms = clock_elapsed_ms(clock_system());
	if (!err)
		err = keep_given_path(tide, options, failure);
	if (!err)
		err = reader_open(&tide->reader, tide->store, failure);
	if (!err)
		err = read_fixed_rows(tide, failure);
	if (!err) {
		tide->transaction.store = tide->store;
		tide->transaction.catalog = &tide->catalog;
		tide->transaction.secret = tide->header.secret;
		err = read_marks(tide, failure);
	}
	if (!err)
		err = tide_mark_opening(tide, failure);
	if (err && !(err == ERR_BUSY && tide->mark_due)) {
		tide_close(tide);
		return err;
	}
	*out = tide;
	return 0;
}

void tide_close(struct tide *tide)
{
	if (!tide)
		return;
	if (tide->store && store_is_foreign(tide->store))
		tide->transaction.txn = NULL;
	tide_abort(tide);
	reader_close(tide->reader);
	if (tide->store)
		worker_leave_opening(store_shared_page(tide->store), tide->opening);
	transaction_release(&tide->transaction);
	catalog_release(&tide->catalog);
	buffer_release(&tide->scratch);
	buffer_release(&tide->identity);
	store_close(tide->store);
	memory_free(tide->given_path);
	cache_clear(&tide->expressions);
	memory_free(tide);
}

uint64_t tide_now_ms(const struct tide *tide)
{
	return clock_now_ms(store_clock(tide->store));
}

int tide_expiry_clock(struct tide *tide, uint64_t *clock_ms, struct failure *failure)
{
	struct read_view snapshot;
	struct time_sample sample;
	struct state state;
	int err;

	*clock_ms = tide->transaction.removal_ms;
	if (tide->transaction.txn)
		return 0;
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	state = *snapshot.state;
	time_sample_take(&sample, store_clock(tide->store));
	*clock_ms = expiry_clock_set(&state, &sample);
	return tide_read_end(tide, &snapshot, 0, failure);
}

int tide_ready(const struct tide *tide, struct failure *failure)
{
	if (store_is_foreign(tide->store))
		return fail(failure, ERR_FORKED);
	store_release_late(tide->store);
	return 0;
}

/* --- transactions --- */

int tide_begin(struct tide *tide, struct failure *failure)
{
	struct tide_waiter *waiter = tide->waiter;
	int err;

	tide->waiter = NULL;
	if (tide->read_only)
		return fail(failure, ERR_READ_ONLY);
	if (tide->transaction.txn)
		return fail(failure, ERR_NESTED);
	err = tide_mark_opening(tide, failure);
	return err ? err : begin_transaction(tide, waiter, failure);
}

int tide_annotate(struct tide *tide, struct slice annotation, struct failure *failure)
{
	int err = transaction_annotate(&tide->transaction, annotation);

	return err ? fail(failure, err) : 0;
}

int tide_commit(struct tide *tide, struct failure *failure)
{
	int err = tide_ready(tide, failure);

	if (err) {                       /* the transaction belongs to the parent process */
		tide->transaction.txn = NULL;
		return err;
	}
	err = transaction_commit(&tide->transaction, failure);
	if (!err && tide->transaction.last_sequence)
		tide->last_change = tide->transaction.last_sequence;
	write_lock_release(store_shared_page(tide->store));
	return err;
}

uint64_t tide_last_change(const struct tide *tide)
{
	return tide->last_change;
}

void tide_abort(struct tide *tide)
{
	if (!tide->transaction.txn)
		return;
	if (store_is_foreign(tide->store)) {
		tide->transaction.txn = NULL;
		return;
	}
	transaction_abort(&tide->transaction);
	write_lock_release(store_shared_page(tide->store));
}

bool tide_in_transaction(const struct tide *tide)
{
	return tide->transaction.txn != NULL;
}

int tide_end(struct tide *tide, int err, struct failure *failure)
{
	if (!err)
		return tide_commit(tide, failure);
	tide_abort(tide);
	return err;
}

int tide_sweep(struct tide *tide, struct tide_swept *swept, bool *more,
	struct failure *failure)
{
	struct swept step = { 0 };
	int err = tide_begin(tide, failure);

	*more = false;
	if (err)
		return err;
	err = sweep_step(&tide->transaction, &step, more);
	err = tide_end(tide, err ? fail(failure, err) : 0, failure);
	if (err)
		return err;
	swept->items += step.items;
	swept->records += step.records;
	swept->rows += step.rows;
	return 0;
}

/* Returns the ms until the next expiry; 0 if an expiry index is being built, because a sweep can
 * continue it at any time; INT64_MAX if no item expires. */
static int64_t ms_until_due(const struct catalog *catalog, uint64_t next_ms, uint64_t now_ms)
{
	if (catalog->index)
		return 0;
	return next_ms == UINT64_MAX ? INT64_MAX : (int64_t)(next_ms - now_ms) + 1;
}

int tide_next_expiry(struct tide *tide, bool *expires, int64_t *due_ms,
	struct failure *failure)
{
	uint64_t now_ms = clock_now_ms(store_clock(tide->store)), next_ms;
	const struct catalog *catalog = &tide->catalog;
	struct read_view snapshot;
	int err;

	*expires = false;
	if (tide->read_only)
		return 0;
	err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	*expires = catalog->expiring || catalog->index;
	err = expire_next(snapshot.txn, now_ms, &next_ms);
	*due_ms = ms_until_due(catalog, next_ms, now_ms);
	return tide_read_end(tide, &snapshot, err ? fail(failure, err) : 0, failure);
}

/* --- read calls --- */

int tide_read_begin(struct tide *tide, struct read_view *snapshot, struct failure *failure)
{
	if (!tide->transaction.txn)
		return tide_read_committed_begin(tide, snapshot, failure);
	snapshot->txn = tide->transaction.txn;
	snapshot->state = &tide->transaction.state;
	return 0;
}

int tide_read_committed_begin(struct tide *tide, struct read_view *snapshot,
	struct failure *failure)
{
	int err = reader_renew(tide->reader, failure);

	if (err)
		return err;
	if (!tide->transaction.txn)
		catalog_limit(&tide->catalog);
	snapshot->txn = tide->reader;
	snapshot->state = &tide->state;
	if (tide->state_at != txn_id(tide->reader)) {
		tide->state_at = 0;
		err = state_read(tide->reader, &tide->state);
		if (!err)
			tide->state_at = txn_id(tide->reader);
	}
	if (!err)
		err = catalog_refresh(&tide->catalog, tide->reader, &tide->state);
	if (!err)
		err = refresh_identity(tide);
	if (err) {
		reader_reset(tide->reader);
		return fail_about(failure, err, "a row of the state or of the catalog");
	}
	return 0;
}

int tide_read_end(struct tide *tide, const struct read_view *snapshot, int err,
	struct failure *failure)
{
	int lost = reader_verify(snapshot->txn, failure);

	if (snapshot->txn == tide->reader)
		reader_reset(tide->reader);
	if (!lost)
		return err;
	tide->state_at = 0;      /* state and catalog may be a mixture of two snapshots */
	tide->transaction.written = NULL;
	catalog_release(&tide->catalog);
	return lost;
}

struct keyspace tide_keyspace(const struct tide *tide, const struct read_view *snapshot,
	const struct table *table)
{
	if (!table->row.ttl.index)
		return keyspace_of_table(table, 0);
	return keyspace_of_table(table, snapshot->txn == tide->transaction.txn ?
		tide->transaction.now_ms : clock_now_ms(store_clock(tide->store)));
}

/* --- information --- */

int tide_info(struct tide *tide, struct tide_info *info, struct failure *failure)
{
	const struct store_options *options = store_options(tide->store);
	struct store_usage usage;
	struct read_view snapshot;
	struct time_sample sample;
	int err = store_usage(tide->store, &usage, failure);

	if (!err)
		err = tide_read_committed_begin(tide, &snapshot, failure);
	if (err)
		return err;
	time_sample_take(&sample, options->clock);
	*info = (struct tide_info){
		.path = options->in_memory ? "" : options->path,
		.read_only = tide->read_only,
		.durability = options->durability,
		.sequence = snapshot.state->sequence,
		.file_bytes = usage.file_bytes,
		.free_bytes = usage.free_bytes,
		.max_bytes = usage.max_bytes,
		.max_size = usage.asked_bytes,
		.page_bytes = usage.page_bytes,
		.readers = usage.readers,
		.readers_max = usage.readers_max,
		.oldest_reader_lag = usage.oldest_reader_lag,
		.oldest_reader_pid = usage.oldest_reader_pid,
		.retention_lead_ms = retention_lead(
			retention_clock(snapshot.state, &sample), sample.now_ms),
		.engine = usage.engine,
	};
	memcpy(info->database_id, tide->header.database_id, FILE_ID_BYTES);
	memcpy(info->incarnation, tide->header.incarnation, FILE_ID_BYTES);
	return tide_read_end(tide, &snapshot, 0, failure);
}

int tide_sync(struct tide *tide, struct failure *failure)
{
	return store_sync(tide->store, failure);
}

int tide_clear_readers(struct tide *tide, uint32_t *cleared, struct failure *failure)
{
	return store_clear_stale(tide->store, cleared, failure);
}

const char *tide_engine(void)
{
	return store_engine();
}
