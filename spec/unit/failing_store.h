/* failing_store.h - wrappers of the store's functions that inject failures.
 *
 * The linker inserts them (--wrap, STORE_CALLS in spec/programs.mk), so the product is not
 * changed. Either one call fails, or all calls from then on.
 */
#ifndef UNIT_FAILING_STORE_H
#define UNIT_FAILING_STORE_H

#include "lmdb/cursor.h"
#include "lmdb/readers.h"

static int refusal;                      /* the error to return */
static bool was_refused;                 /* since this was last set to false */
static long requests_left = -1;
static bool once;

static void store_fail_after(long requests)
{
	requests_left = requests;
}

static bool refused(void)
{
	if (requests_left < 0)
		return false;
	if (requests_left > 0) {
		requests_left--;
		return false;
	}
	if (once)
		requests_left = -1;
	was_refused = true;
	return true;
}

/* Wraps a function that returns an error and fills no failure. */
#define ANSWERS(name, parameters, arguments) \
	int __real_##name parameters; \
	int __wrap_##name parameters; \
	int __wrap_##name parameters \
	{ \
		return refused() ? refusal : __real_##name arguments; \
	}

/* Wraps a function that also fills a failure. */
#define FILLS(name, parameters, arguments) \
	int __real_##name parameters; \
	int __wrap_##name parameters; \
	int __wrap_##name parameters \
	{ \
		return refused() ? fail(why, refusal) : __real_##name arguments; \
	}

ANSWERS(txn_get, (struct txn *txn, enum tree tree, struct slice key, struct slice *value),
	(txn, tree, key, value))
ANSWERS(txn_put, (struct txn *txn, enum tree tree, struct slice key, struct slice value),
	(txn, tree, key, value))
ANSWERS(txn_put_reserve, (struct txn *txn, enum tree tree, struct slice key,
	size_t len, uint8_t **buf), (txn, tree, key, len, buf))
ANSWERS(txn_insert_reserve, (struct txn *txn, enum tree tree, struct slice key,
	size_t len, uint8_t **buf), (txn, tree, key, len, buf))
ANSWERS(txn_append_reserve, (struct txn *txn, enum tree tree, struct slice key,
	size_t len, uint8_t **buf), (txn, tree, key, len, buf))
ANSWERS(txn_delete, (struct txn *txn, enum tree tree, struct slice key), (txn, tree, key))
ANSWERS(txn_count, (struct txn *txn, enum tree tree, uint64_t *rows), (txn, tree, rows))
ANSWERS(txn_cursor, (struct txn *txn, enum tree tree, struct cursor **cursor),
	(txn, tree, cursor))
ANSWERS(cursor_open, (struct cursor **cursor, struct txn *txn, enum tree tree),
	(cursor, txn, tree))
ANSWERS(cursor_move, (struct cursor *cursor, enum move move, struct slice *key,
	struct slice *value), (cursor, move, key, value))
ANSWERS(cursor_delete, (struct cursor *cursor), (cursor))
FILLS(reader_renew, (struct txn *txn, struct failure *why), (txn, why))
FILLS(writer_check_space, (struct txn *txn, struct failure *why), (txn, why))
FILLS(store_usage, (struct store *store, struct store_usage *usage, struct failure *why),
	(store, usage, why))
FILLS(store_clear_stale, (struct store *store, uint32_t *cleared, struct failure *why),
	(store, cleared, why))

/* Wrappers of functions that also set a result. */
int __real_reader_open(struct txn **txn, struct store *store, struct failure *why);
int __wrap_reader_open(struct txn **txn, struct store *store, struct failure *why);
int __wrap_reader_open(struct txn **txn, struct store *store, struct failure *why)
{
	*txn = NULL;
	return refused() ? fail(why, refusal) : __real_reader_open(txn, store, why);
}

int __real_writer_begin(struct txn **txn, struct store *store, struct failure *why);
int __wrap_writer_begin(struct txn **txn, struct store *store, struct failure *why);
int __wrap_writer_begin(struct txn **txn, struct store *store, struct failure *why)
{
	*txn = NULL;
	return refused() ? fail(why, refusal) : __real_writer_begin(txn, store, why);
}

int __real_writer_commit(struct txn **txn, struct failure *why);
int __wrap_writer_commit(struct txn **txn, struct failure *why);
int __wrap_writer_commit(struct txn **txn, struct failure *why)
{
	if (!refused())
		return __real_writer_commit(txn, why);
	writer_abort(txn);
	return fail(why, refusal);
}

#endif
