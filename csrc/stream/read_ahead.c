/* read_ahead.c - the records of several streams that a feed has copied before it returns them. */
#include "stream/read_ahead.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/error.h"
#include "os/large_memory.h"

/* Bytes of a window for each slot. */
#define SLOT_SHARE 64
#define ENTRY_ALIGN ((size_t)8)
/* An entry is prefetched when the one this many sequence numbers before it is read. */
#define PREFETCH_AHEAD 24
#define CACHE_LINE 64

struct read_ahead_limits read_ahead_limits = {
	.least_bytes = 1024 * 1024,
	.most_bytes = 16 * 1024 * 1024,
	.stream_bytes = 4096,
	.process_bytes = 32 * 1024 * 1024,
	.probe = 1000,
};

/* --- memory --- */

static atomic_size_t process_bytes;

/* Reserves up to `bytes` for a window. Returns the number of bytes, 0 if few are left. */
static size_t reserve(size_t bytes)
{
	size_t used = atomic_load(&process_bytes), more;

	do {
		more = used < read_ahead_limits.process_bytes ?
			read_ahead_limits.process_bytes - used : 0;
		if (more > bytes)
			more = bytes;
		if (more < read_ahead_limits.least_bytes)
			return 0;
		more -= more % (SLOT_SHARE * ENTRY_ALIGN);
	} while (!atomic_compare_exchange_weak(&process_bytes, &used, used + more));
	return more;
}

size_t read_ahead_bytes(const struct read_ahead *ahead)
{
	return ahead->entries.cap + ahead->slot_count * sizeof *ahead->slots;
}

/* The slots follow the entries in the same memory. */
void read_ahead_release(struct read_ahead *ahead)
{
	atomic_fetch_sub(&process_bytes, read_ahead_bytes(ahead));
	large_memory_free(ahead->entries.data, read_ahead_bytes(ahead));
	*ahead = (struct read_ahead){ 0 };
}

static int allocate(struct read_ahead *ahead, size_t bytes)
{
	size_t slots = bytes / SLOT_SHARE;

	ahead->entries.data = large_memory_alloc(bytes);
	ahead->entries.cap = bytes - slots * sizeof *ahead->slots;
	ahead->slot_count = slots;
	if (!ahead->entries.data) {
		read_ahead_release(ahead);
		return END;
	}
	ahead->slots = (uint32_t *)(void *)(ahead->entries.data + ahead->entries.cap);
	return 0;
}

static void clear_slots(struct read_ahead *ahead)
{
	memset(ahead->slots, 0, (size_t)(ahead->to - ahead->from) * sizeof *ahead->slots);
}

int read_ahead_begin(struct read_ahead *ahead, size_t bytes, uint64_t from, uint64_t numbers)
{
	int err;

	if (read_ahead_bytes(ahead) < bytes) {
		read_ahead_release(ahead);
		bytes = reserve(bytes);
		err = bytes ? allocate(ahead, bytes) : END;
		if (err)
			return err;
	}
	read_ahead_clear(ahead);
	if (numbers > ahead->slot_count)
		numbers = ahead->slot_count;
	ahead->from = from;
	ahead->to = from + numbers;
	clear_slots(ahead);
	return 0;
}

void read_ahead_clear(struct read_ahead *ahead)
{
	buffer_clear(&ahead->entries);
	ahead->from = ahead->to = 0;
}

/* --- entries --- */

static size_t padded(size_t len)
{
	return (len + ENTRY_ALIGN - 1) & ~(ENTRY_ALIGN - 1);
}

/* The length of a damaged record can be any number. */
static bool fits(const struct read_ahead *ahead, const struct ahead_entry *entry)
{
	size_t left = ahead->entries.cap - ahead->entries.len;

	return left >= sizeof *entry &&
		(entry->is_left_out || entry->len <= left - sizeof *entry);
}

static size_t stored_len(const struct ahead_entry *entry)
{
	return sizeof *entry + (entry->is_left_out ? 0 : padded((size_t)entry->len));
}

static struct ahead_entry *entry_at(const struct read_ahead *ahead, size_t offset)
{
	return (struct ahead_entry *)(void *)(ahead->entries.data + offset);
}

static uint32_t *slot_of(const struct read_ahead *ahead, uint64_t sequence)
{
	return &ahead->slots[sequence - ahead->from - 1];
}

int read_ahead_add(struct read_ahead *ahead, const struct ahead_entry *entry, size_t *start)
{
	struct buffer *entries = &ahead->entries;
	uint32_t *slot = slot_of(ahead, entry->sequence);

	if (*slot)
		return ERR_CORRUPT;
	*start = entries->len = padded(entries->len);
	if (!fits(ahead, entry))
		return END;
	*slot = (uint32_t)*start + 1;
	buffer_put(entries, entry, sizeof *entry);
	return 0;
}

void read_ahead_undo(struct read_ahead *ahead, size_t start)
{
	*slot_of(ahead, entry_at(ahead, start)->sequence) = 0;
	ahead->entries.len = start;
}

const struct ahead_entry *read_ahead_walk(const struct read_ahead *ahead, size_t *offset)
{
	const struct ahead_entry *entry;

	if (*offset >= ahead->entries.len)
		return NULL;
	entry = entry_at(ahead, *offset);
	*offset += stored_len(entry);
	return entry;
}

void read_ahead_cut(struct read_ahead *ahead, uint64_t to)
{
	const struct ahead_entry *entry;
	size_t offset = 0, kept = 0;

	assert(to >= ahead->from && to <= ahead->to);
	ahead->to = to;
	clear_slots(ahead);
	while ((entry = read_ahead_walk(ahead, &offset))) {
		size_t len = stored_len(entry);

		if (entry->sequence > to)
			continue;
		*slot_of(ahead, entry->sequence) = (uint32_t)kept + 1;
		memmove(ahead->entries.data + kept, entry, len);
		kept += len;
	}
	ahead->entries.len = kept;
}

/* Loads an entry that will be read soon into the processor's cache. */
static void prefetch(const struct read_ahead *ahead, uint64_t slot)
{
	const uint8_t *entry;

	if (slot >= ahead->to - ahead->from || !ahead->slots[slot])
		return;
	entry = ahead->entries.data + ahead->slots[slot] - 1;
	for (unsigned line = 0; line < 6; line++)
		__builtin_prefetch(entry + line * CACHE_LINE);
}

const struct ahead_entry *read_ahead_next(const struct read_ahead *ahead, uint64_t position)
{
	uint64_t count = ahead->to - ahead->from;
	uint64_t slot = position > ahead->from ? position - ahead->from : 0;

	while (slot < count && !ahead->slots[slot])
		slot++;
	if (slot >= count)
		return NULL;
	prefetch(ahead, slot + PREFETCH_AHEAD);
	return entry_at(ahead, ahead->slots[slot] - 1);
}

void read_ahead_drop(struct read_ahead *ahead, const struct ahead_entry *entry)
{
	*slot_of(ahead, entry->sequence) = 0;
}
