/* stores.h - helpers that open, write and read stores in tests.
 *
 * They check that every operation succeeds. Tests of operations that may fail call the functions
 * of store.h directly.
 */
#ifndef UNIT_STORES_H
#define UNIT_STORES_H

#include <fcntl.h>
#include <sys/stat.h>

#include "lmdb/readers.h"
#include "unit/child.h"
#include "unit/must.h"

#define SMALL_MAX_BYTES (UINT64_C(32) << 20)

/* Returns the path of a file in the test's directory; valid until the 8th call after this one. */
static inline const char *store_path(const char *name)
{
	static char paths[8][4200];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", check_directory(), name);
	return path;
}

static inline struct store_options small_options(const char *path)
{
	return (struct store_options){
		.path = path,
		.create = true,
		.max_bytes = SMALL_MAX_BYTES,
		.durability = DURABILITY_NONE,
	};
}

static inline struct store *open_with(const struct store_options *options)
{
	struct failure failure = { 0 };
	struct store *store;
	int err = store_open(&store, options, &failure);

	while (err == ERR_BUSY && failure.transient) {
		clock_sleep_us(1000);
		err = store_open(&store, options, &failure);
	}
	MUST(err, failure);
	return store;
}

static inline struct store *open_small(const char *path)
{
	struct store_options options = small_options(path);

	return open_with(&options);
}

static inline int try_open(const struct store_options *options, struct failure *failure)
{
	struct store *store;
	int err = store_open(&store, options, failure);

	CHECK((err == 0) == (store != NULL));
	CHECK(err == 0 || (failure->err == err && failure->message[0]));
	store_close(store);
	return err;
}

static inline struct txn *begin_write(struct store *store)
{
	struct lock_waiter waiter = { .shared = store_shared_page(store) };
	struct failure failure = { 0 };
	struct txn *txn;

	while (lock_waiter_try(&waiter))
		lock_waiter_sleep(&waiter, 1000);
	MUST(writer_begin(&txn, store, &failure), failure);
	return txn;
}

static inline int end_write(struct txn *txn, struct failure *failure)
{
	struct store *store = txn_store(txn);
	int err = writer_commit(&txn, failure);

	CHECK(txn == NULL);
	write_lock_release(store_shared_page(store));
	return err;
}

static inline void cancel_write(struct txn *txn)
{
	struct store *store = txn_store(txn);

	writer_abort(&txn);
	CHECK(txn == NULL);
	write_lock_release(store_shared_page(store));
}

static inline void commit(struct txn *txn)
{
	struct failure failure = { 0 };

	MUST(end_write(txn, &failure), failure);
}

static inline void write_row(struct store *store, enum tree tree, const char *key,
	const char *value)
{
	struct txn *txn = begin_write(store);

	CHECK_EQUAL_INT(txn_put(txn, tree, slice_of_text(key), slice_of_text(value)), 0);
	commit(txn);
}

/* Writes and deletes rows of all sizes in all trees. */
static inline void fill_at_random(struct store *store, unsigned commits)
{
	static const uint8_t bytes[20000];

	for (unsigned i = 0; i < commits; i++) {
		struct txn *txn = begin_write(store);

		for (int j = 0; j < 50; j++) {
			enum tree tree = (enum tree)check_random_below(TREE_COUNT);
			uint64_t number = check_random_below(3000);
			struct slice key = slice_of(&number, sizeof number);
			size_t len = check_random_below(20) ? check_random_below(300)
				: check_random_below(sizeof bytes);
			int err;

			*(uint8_t *)&number &= 0x3f;         /* below TREE_META_END */
			if (check_random_below(3))
				err = txn_put(txn, tree, key, slice_of(bytes, len));
			else
				err = txn_delete(txn, tree, key);
			CHECK(err == 0 || err == END);
		}
		commit(txn);
	}
}

static inline struct txn *open_reader(struct store *store)
{
	struct failure failure = { 0 };
	struct txn *txn;

	MUST(reader_open(&txn, store, &failure), failure);
	return txn;
}

static inline void renew(struct txn *txn)
{
	struct failure failure = { 0 };

	MUST(reader_renew(txn, &failure), failure);
}

static inline int append_row(struct txn *txn, enum tree tree, struct slice key,
	struct slice value)
{
	uint8_t *buf;
	int err = txn_append_reserve(txn, tree, key, value.len, &buf);

	if (!err)
		memcpy(buf, value.data, value.len);
	return err;
}

static inline bool has_row(struct txn *txn, enum tree tree, const char *key, const char *value)
{
	struct slice found;
	int err = txn_get(txn, tree, slice_of_text(key), &found);

	CHECK(err == 0 || err == END);
	return !err && slice_equal(found, slice_of_text(value));
}

/* Returns true if a new snapshot contains the row. */
static inline bool store_has(struct store *store, enum tree tree, const char *key,
	const char *value)
{
	struct txn *txn = open_reader(store);
	bool has;

	renew(txn);
	has = has_row(txn, tree, key, value);
	reader_close(txn);
	return has;
}

#endif
