/* rows.h - an uncommitted transaction that a fuzzer fills with rows.
 *
 * The rows have correct checksums, unlike accidental damage, so that the decoders
 * after the checksum get bytes that no writer produced.
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

/* Puts a row, with a wrong checksum if damaged is true. */
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
