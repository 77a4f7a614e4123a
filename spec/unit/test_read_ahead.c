/* test_read_ahead.c - stream/read_ahead.h: windows against plain arrays, and their memory. */
#include "stream/read_ahead.h"

#include "base/error.h"
#include "unit/check.h"

#define NUMBERS 300

/* A plain model of a window: the bytes of the record with each sequence number; empty: none. */
static struct {
	uint8_t bytes[NUMBERS + 1][64];
	size_t len[NUMBERS + 1];
	bool is_left_out[NUMBERS + 1];
} model;

static void add(struct read_ahead *ahead, uint64_t from, uint32_t stream)
{
	uint64_t n = 1 + check_random_below(NUMBERS);
	struct ahead_entry entry = { .sequence = from + n, .transaction = from + n,
		.expires_ms = n, .stream = stream, .len = 1 + check_random_below(64),
		.is_left_out = check_random_below(4) == 0 };
	size_t start;
	int err;

	if (entry.sequence > ahead->to)
		return;
	err = read_ahead_add(ahead, &entry, &start);
	CHECK_EQUAL_INT(err, model.len[n] ? ERR_CORRUPT : 0);
	if (err)
		return;
	if (check_random_below(8) == 0) {
		read_ahead_undo(ahead, start);
		return;
	}
	model.len[n] = (size_t)entry.len;
	model.is_left_out[n] = entry.is_left_out;
	if (entry.is_left_out)
		return;
	check_random_bytes(model.bytes[n], model.len[n]);
	buffer_put(&ahead->entries, model.bytes[n], model.len[n]);
}

static void agrees(const struct read_ahead *ahead, uint64_t from, uint64_t position)
{
	const struct ahead_entry *entry;

	for (uint64_t n = position > from ? position - from + 1 : 1; n <= NUMBERS; n++) {
		if (!model.len[n])
			continue;
		entry = read_ahead_next(ahead, position);
		CHECK(entry != NULL);
		CHECK_EQUAL_UINT(entry->sequence, from + n);
		CHECK_EQUAL_UINT(entry->expires_ms, n);
		CHECK_EQUAL_UINT(entry->len, model.len[n]);
		CHECK_EQUAL_INT(entry->is_left_out, model.is_left_out[n]);
		if (!entry->is_left_out)
			CHECK_BYTES(ahead_record(entry).data, ahead_record(entry).len,
				model.bytes[n], model.len[n]);
		position = entry->sequence;
	}
	CHECK(read_ahead_next(ahead, position) == NULL);
}

static void cut(struct read_ahead *ahead, uint64_t from)
{
	uint64_t numbers = check_random_below(NUMBERS + 1);

	if (from + numbers > ahead->to)
		return;
	read_ahead_cut(ahead, from + numbers);
	for (uint64_t n = numbers + 1; n <= NUMBERS; n++)
		model.len[n] = 0;
}

static void agrees_with_arrays(void)
{
	struct read_ahead ahead = { 0 };

	for (uint64_t round = check_runs(300); round > 0; round--) {
		uint64_t from = check_random_below(2) ? 0 : check_random() >> 2;

		memset(&model, 0, sizeof model);
		CHECK_EQUAL_INT(read_ahead_begin(&ahead, 65536, from, NUMBERS), 0);
		CHECK_EQUAL_UINT(ahead.to, from + NUMBERS);
		for (uint32_t i = 0; i < 200; i++) {
			add(&ahead, from, i);
			if (check_random_below(100) == 0)
				cut(&ahead, from);
		}
		agrees(&ahead, from, 0);
		agrees(&ahead, from, from + check_random_below(NUMBERS));
		read_ahead_clear(&ahead);
		CHECK(read_ahead_next(&ahead, from) == NULL);
	}
	read_ahead_release(&ahead);
	CHECK_EQUAL_UINT(read_ahead_bytes(&ahead), 0);
}

/* A dropped entry is not returned again. */
static void an_entry_is_dropped(void)
{
	struct read_ahead ahead = { 0 };
	size_t start;

	CHECK_EQUAL_INT(read_ahead_begin(&ahead, 65536, 0, 10), 0);
	for (uint64_t i = 3; i <= 4; i++)
		CHECK_EQUAL_INT(read_ahead_add(&ahead, &(struct ahead_entry){ .sequence = i,
			.is_left_out = true }, &start), 0);
	read_ahead_drop(&ahead, read_ahead_next(&ahead, 0));
	CHECK_EQUAL_UINT(read_ahead_next(&ahead, 0)->sequence, 4);
	read_ahead_release(&ahead);
}

/* A window never has more bytes than it was begun with. A record whose length is damage does not
 * fit. */
static void a_window_is_full(void)
{
	static const uint8_t bytes[1000];
	struct ahead_entry entry = { .len = UINT64_MAX - 4 };
	struct read_ahead ahead = { 0 };
	size_t start, size;

	CHECK_EQUAL_INT(read_ahead_begin(&ahead, 65536, 0, UINT32_MAX), 0);
	size = read_ahead_bytes(&ahead);
	CHECK(size <= 65536 && ahead.to == ahead.slot_count);
	entry.sequence = 1;
	CHECK_EQUAL_INT(read_ahead_add(&ahead, &entry, &start), END);
	for (entry.len = sizeof bytes; read_ahead_add(&ahead, &entry, &start) == 0;
			entry.sequence++)
		buffer_put(&ahead.entries, bytes, sizeof bytes);
	CHECK(entry.sequence > 50);
	CHECK_EQUAL_UINT(read_ahead_bytes(&ahead), size);
	CHECK(ahead.entries.len <= ahead.entries.cap);
	read_ahead_release(&ahead);
}

/* The windows of a process share a number of bytes; the last one gets the rest. */
static void a_process_has_a_limit(void)
{
	size_t most = read_ahead_limits.process_bytes, least = read_ahead_limits.least_bytes;
	struct read_ahead windows[4] = { 0 };
	size_t bytes = most / 2 - least / 2, sum = 0;

	CHECK(most <= (size_t)32 << 20);
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL_INT(read_ahead_begin(&windows[i], bytes, 0, 10), 0);
		sum += read_ahead_bytes(&windows[i]);
	}
	CHECK(sum <= most);
	CHECK(read_ahead_bytes(&windows[2]) < bytes);
	CHECK_EQUAL_INT(read_ahead_begin(&windows[3], least, 0, 10), END);
	CHECK_EQUAL_UINT(read_ahead_bytes(&windows[3]), 0);
	read_ahead_release(&windows[0]);
	CHECK_EQUAL_INT(read_ahead_begin(&windows[3], least, 0, 10), 0);
	for (int i = 1; i < 4; i++)
		read_ahead_release(&windows[i]);
	CHECK_EQUAL_INT(read_ahead_begin(&windows[0], bytes, 0, 10), 0);
	read_ahead_release(&windows[0]);
}

int main(void)
{
	a_process_has_a_limit();
	read_ahead_limits.least_bytes = 4096;
	agrees_with_arrays();
	an_entry_is_dropped();
	a_window_is_full();
	return 0;
}
