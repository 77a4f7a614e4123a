/* rows.h - a transaction that a fuzzer fills with rows as its input says; nothing of
 * it is ever committed.
 *
 * Rows are sealed: a checksum keeps damage out, and what is behind it, made by a
 * fool or an enemy, has to be met all the same.
 */
#ifndef FUZZ_ROWS_H
#define FUZZ_ROWS_H

#include "codec/row.h"
#include "fuzz/fuzz.h"
#include "unit/stores.h"

static inline struct txn *fuzz_begin(void)
{
	static struct store *store;
	struct store_options options = { .in_memory = true, .max_bytes = SMALL_MAX_BYTES };

	if (!store)
		store = open_with(&options);
	return begin_write(store);
}

/* Puts a row; a checksum that is wrong too, if asked for. */
static inline void fuzz_row(struct txn *txn, enum tree tree, struct slice key,
	struct slice payload, bool damaged)
{
	static struct buffer value;

	row_start(&value);
	buffer_put_slice(&value, payload);
	CHECK_EQUAL_INT(row_seal(&value, key), 0);
	if (damaged)
		value.data[0] ^= 1;
	if (key.len > 0 && key.len <= STORE_KEY_MAX)
		CHECK_EQUAL_INT(txn_put(txn, tree, key, buffer_slice(&value)), 0);
}

#endif
