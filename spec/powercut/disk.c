/* disk.c - a model of a disk, with flushed content, pending writes, and the states that a power
 * cut can leave. */
#include "powercut/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PENDING_MAX 16384
/* LMDB requires that a sector of its two meta pages is written atomically. */
#define META_BYTES 8192

/* A write, or a change of the length (bytes is NULL). */
struct pending_record {
	uint64_t at, len;
	const uint8_t *bytes;
	uint64_t size;               /* length of the file after the write */
	bool grows;                  /* true if the write makes the file longer */
};

struct writes {
	struct pending_record *all;
	size_t count, max;
};

struct file {
	bool made;
	uint8_t *bytes;              /* flushed content; zeros after size */
	uint64_t size;
	uint64_t size_now;
	struct writes pending;
	/* Writes whose flush failed. Linux marks them clean and never writes
	 * them again; each sector may or may not be on the disk. */
	struct writes unflushed;
};

struct name_change {
	enum deed_kind kind;
	enum name name, to;
	int file;
};

struct disk {
	struct ignored_flushes ignored;
	struct file files[FILES_MAX];
	int named[NAMES];            /* as flushed */
	struct name_change changes[FILES_MAX * 4];
	size_t change_count;
};

static void *must(void *memory)
{
	if (!memory || memory == MAP_FAILED) {
		perror("allocate the disk model");
		exit(1);
	}
	return memory;
}

/* Returns zeroed memory that is not allocated before it is written. */
static uint8_t *new_bytes(void)
{
	return must(mmap(NULL, FILE_BYTES_MAX, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

/* --- images --- */

void image_init(struct image *image)
{
	memset(image, 0, sizeof *image);
	for (int name = 0; name < NAMES; name++)
		image->bytes[name] = new_bytes();
}

void image_release(struct image *image)
{
	for (int name = 0; name < NAMES; name++)
		munmap(image->bytes[name], FILE_BYTES_MAX);
}

void image_copy(struct image *to, const struct image *from)
{
	for (int name = 0; name < NAMES; name++) {
		to->there[name] = from->there[name];
		to->len[name] = from->len[name];
		memcpy(to->bytes[name], from->bytes[name], from->len[name]);
	}
}

static uint64_t digest_bytes(const uint8_t *bytes, uint64_t len)
{
	uint64_t digest = len, word;

	for (; len >= sizeof word; len -= sizeof word, bytes += sizeof word) {
		memcpy(&word, bytes, sizeof word);
		digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
		digest ^= digest >> 29;
	}
	for (; len > 0; len--)
		digest = (digest ^ *bytes++) * 0x9e3779b97f4a7c15u;
	return dice_mix(digest);
}

uint64_t image_digest(const struct image *image)
{
	uint64_t digest = 0;

	for (int name = 0; name < NAMES; name++)
		digest = dice_mix(digest ^ (image->there[name]
			? digest_bytes(image->bytes[name], image->len[name]) + 1 : 0));
	return digest;
}

/* --- files --- */

static struct file *make_file(struct disk *disk, int number)
{
	struct file *file = &disk->files[number];

	if (!file->made) {
		file->made = true;
		file->bytes = new_bytes();
	}
	return file;
}

struct disk *disk_new(const struct image *image, struct ignored_flushes ignored)
{
	struct disk *disk = must(calloc(1, sizeof *disk));

	disk->ignored = ignored;
	for (int name = 0; name < NAMES; name++) {
		struct file *file;

		disk->named[name] = NO_FILE;
		if (!image || !image->there[name])
			continue;
		disk->named[name] = name;
		file = make_file(disk, name);
		file->size = file->size_now = image->len[name];
		memcpy(file->bytes, image->bytes[name], file->size);
	}
	return disk;
}

void disk_names(const struct image *image, int named[NAMES])
{
	for (int name = 0; name < NAMES; name++)
		named[name] = image && image->there[name] ? name : NO_FILE;
}

void disk_free(struct disk *disk)
{
	for (int i = 0; i < FILES_MAX; i++) {
		if (disk->files[i].bytes)
			munmap(disk->files[i].bytes, FILE_BYTES_MAX);
		free(disk->files[i].pending.all);
		free(disk->files[i].unflushed.all);
	}
	free(disk);
}

/* --- events --- */

static void add_write(struct writes *writes, struct pending_record write)
{
	if (writes->count == writes->max) {
		writes->max = writes->max ? 2 * writes->max : 64;
		writes->all = must(realloc(writes->all, writes->max * sizeof *writes->all));
	}
	writes->all[writes->count++] = write;
}

static void add_pending(struct file *file, struct pending_record pending)
{
	if (pending.at + pending.len > FILE_BYTES_MAX || pending.size > FILE_BYTES_MAX) {
		fprintf(stderr, "a file is larger than FILE_BYTES_MAX\n");
		exit(1);
	}
	pending.grows = pending.size > file->size_now;
	add_write(&file->pending, pending);
	file->size_now = pending.size;
}

static void set_size(uint8_t *bytes, uint64_t *size, uint64_t to)
{
	if (to < *size)
		memset(bytes + to, 0, *size - to);
	*size = to;
}

/* Removes the range [from, to) from writes; keeps the parts outside it. */
static void cut_out(struct writes *writes, uint64_t from, uint64_t to)
{
	struct writes old = *writes;

	*writes = (struct writes){ 0 };
	for (size_t i = 0; i < old.count; i++) {
		struct pending_record left = old.all[i], right = left;
		uint64_t end = left.at + left.len;

		if (!left.bytes || left.at >= to || end <= from) {
			add_write(writes, left);
			continue;
		}
		left.len = from > left.at ? from - left.at : 0;
		right.at = to;
		right.len = end > to ? end - to : 0;
		right.bytes += to - old.all[i].at;
		if (left.len)
			add_write(writes, left);
		if (right.len)
			add_write(writes, right);
	}
	free(old.all);
}

static void flush(struct file *file)
{
	for (size_t i = 0; i < file->pending.count; i++) {
		const struct pending_record *pending = &file->pending.all[i];

		if (pending->bytes)
			memcpy(file->bytes + pending->at, pending->bytes, pending->len);
		if (pending->bytes && file->unflushed.count)
			cut_out(&file->unflushed, pending->at, pending->at + pending->len);
		set_size(file->bytes, &file->size, pending->size);
	}
	file->pending.count = 0;
}

static void flush_part(struct file *file, uint64_t at, uint64_t len)
{
	uint64_t from = at / SECTOR_BYTES * SECTOR_BYTES;
	uint64_t to = (at + len + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;

	for (size_t i = 0; i < file->pending.count; i++) {
		const struct pending_record *pending = &file->pending.all[i];
		uint64_t end = pending->at + pending->len;
		uint64_t first = pending->at > from ? pending->at : from;
		uint64_t last = end < to ? end : to;

		if (pending->bytes && first < last)
			memcpy(file->bytes + first, pending->bytes + (first - pending->at),
				last - first);
	}
	cut_out(&file->pending, from, to);
	cut_out(&file->unflushed, at, at + len);
	if (file->size < at + len)
		file->size = at + len;
}

/* Handles a failed flush, whose writes are not tried again. */
static void lose_flush(struct file *file)
{
	for (size_t i = 0; i < file->pending.count; i++)
		if (file->pending.all[i].bytes)
			add_write(&file->unflushed, file->pending.all[i]);
	file->pending.count = 0;
	set_size(file->bytes, &file->size, file->size_now);
}

static void change_name(struct disk *disk, const struct trace_event *event)
{
	if (disk->change_count == sizeof disk->changes / sizeof *disk->changes) {
		fprintf(stderr, "too many pending name changes\n");
		exit(1);
	}
	disk->changes[disk->change_count++] = (struct name_change){ event->kind, event->name,
		event->to, event->file };
}

static void make_change(int named[NAMES], const struct name_change *change)
{
	int file = change->kind == TRACE_UNLINK ? NO_FILE : change->file;

	if (change->kind == TRACE_RENAME) {
		named[change->name] = NO_FILE;
		named[change->to] = file;
	} else {
		named[change->name] = file;
	}
}

static void flush_names(struct disk *disk)
{
	for (size_t i = 0; i < disk->change_count; i++)
		make_change(disk->named, &disk->changes[i]);
	disk->change_count = 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void disk_apply(struct disk *disk, const struct trace_event *event)
{
	struct file *file = event->file == NO_FILE ? NULL : make_file(disk, event->file);
	uint64_t end = event->at + event->len;

	switch (event->kind) {
	case TRACE_MAKE: case TRACE_RENAME: case TRACE_UNLINK:
		change_name(disk, event);
		break;
	case TRACE_WRITE:
		add_pending(file, (struct pending_record){ .at = event->at, .len = event->len,
			.bytes = event->bytes, .size = larger(file->size_now, end) });
		break;
	case TRACE_SIZE:
		add_pending(file, (struct pending_record){ .size = event->len });
		break;
	case TRACE_GROW:
		add_pending(file, (struct pending_record){ .size = larger(file->size_now,
			event->len) });
		break;
	case TRACE_FLUSH:
		if (!disk->ignored.files)
			flush(file);
		break;
	case TRACE_FLUSH_FAILED:
		lose_flush(file);
		break;
	case TRACE_FLUSH_PART:
		if (!disk->ignored.parts)
			flush_part(file, event->at, event->len);
		break;
	case TRACE_FLUSH_NAMES:
		if (!disk->ignored.names)
			flush_names(disk);
		break;
	case TRACE_MARK:
		break;
	}
}

/* --- the power cut --- */

/* How a power cut treats pending writes. */
struct loss_model {
	uint64_t seed, cut_point, state;
	uint64_t gone_in_256;        /* probability in 256ths: later writes to a sector are lost */
	uint64_t grain;              /* number of bytes that are kept or lost together */
	uint64_t names_in_256;       /* probability in 256ths: a name change is lost */
	bool any_size;               /* the length is independent of the data kept */
	bool stale;                  /* unwritten bytes contain old disk content instead of zeros */
	bool torn_bytes;             /* the last kept write may end inside a sector */
};

enum { KEEP_ALL, KEEP_NONE, LOSE_ONE, KEEP_ONE, BY_CHANCE };

/* The first states at a cut point are fixed: all kept, none kept, one lost, one
 * kept. */
static int kind_of_state(uint64_t state)
{
	if (state < 2)
		return (int)state;
	if (state < 6)
		return state % 2 ? KEEP_ONE : LOSE_ONE;
	return BY_CHANCE;
}

static struct loss_model loss_model_of(uint64_t seed, uint64_t cut_point, uint64_t state)
{
	static const uint64_t chances[] = { 0, 8, 64, 128, 192, 248, 256 };
	static const uint64_t grains[] = { 512, 512, 4096, 65536 };
	struct dice dice = dice_for(seed, cut_point, state, 1);

	return (struct loss_model){ seed, cut_point, state,
		.gone_in_256 = chances[dice_below(&dice, 7)],
		.grain = grains[dice_below(&dice, 4)],
		.names_in_256 = chances[dice_below(&dice, 7)],
		.any_size = dice_one_in(&dice, 4),
		.stale = dice_one_in(&dice, 4),
		.torn_bytes = dice_one_in(&dice, 4),
	};
}

/* Copies the kept part of a write. It extends the file only if the write did;
 * the part after the end is dropped if an earlier change of the length was
 * lost. */
static void put(struct image *image, enum name name, const struct pending_record *pending,
	uint64_t done, uint64_t len)
{
	uint64_t at = pending->at + done, end = image->len[name];

	if (pending->grows && end < at + len)
		end = image->len[name] = at + len;
	if (at < end)
		memcpy(image->bytes[name] + at, pending->bytes + done,
			len < end - at ? len : end - at);
}

struct cutting {
	const struct file *file;
	struct loss_model model;
	struct image *image;
	enum name name;
	uint64_t last;               /* index of the last write; later ones are lost */
	uint64_t tear;               /* number of bytes kept of the last write */
	uint8_t *stopped;            /* for each grain, true if later writes are lost */
};

static bool stops(const struct cutting *cutting, uint64_t grain, size_t write)
{
	struct dice dice = dice_for(cutting->model.seed ^ cutting->model.cut_point << 20,
		cutting->model.state, grain << 8 | cutting->name, write);

	return dice_below(&dice, 256) < cutting->model.gone_in_256;
}

/* Applies a write, grain by grain; a torn one ends at a sector boundary or at
 * any byte. */
static void keep_some(const struct cutting *cutting, size_t write)
{
	const struct pending_record *pending = &cutting->file->pending.all[write];
	uint64_t grain_bytes = cutting->model.grain, len = pending->len;

	if (write == cutting->last && cutting->tear < len)
		len = cutting->tear;
	for (uint64_t done = 0; done < len;) {
		uint64_t at = pending->at + done, grain = at / grain_bytes;
		uint64_t part = (grain + 1) * grain_bytes - at;

		if (part > len - done)
			part = len - done;
		if (!cutting->stopped[grain] && stops(cutting, grain, write))
			cutting->stopped[grain] = 1;
		if (!cutting->stopped[grain])
			put(cutting->image, cutting->name, pending, done, part);
		done += part;
	}
}

static void choose_tear(struct cutting *cutting, struct dice *dice)
{
	const struct pending_record *last;

	cutting->last = dice_below(dice, cutting->file->pending.count + 1);
	cutting->tear = UINT64_MAX;
	if (cutting->last >= cutting->file->pending.count)
		return;
	last = &cutting->file->pending.all[cutting->last];
	if (!last->bytes)
		return;
	cutting->tear = dice_below(dice, last->len + 1);
	if (!cutting->model.torn_bytes || last->at < META_BYTES) {
		uint64_t end = (last->at + cutting->tear) / SECTOR_BYTES * SECTOR_BYTES;

		cutting->tear = end > last->at ? end - last->at : 0;
	}
}

/* Chooses one of the lengths since the last flush. Bytes after the flushed end
 * that were not kept are zeros or stale; space reserved by posix_fallocate
 * reads as zeros on every file system. */
static void set_any_size(const struct cutting *cutting, struct dice *dice)
{
	const struct file *file = cutting->file;
	struct image *image = cutting->image;
	uint64_t at = image->len[cutting->name];
	uint64_t size = file->pending.all[dice_below(dice, file->pending.count)].size;

	set_size(image->bytes[cutting->name], &image->len[cutting->name], size);
	if (cutting->name != NAME_DATA && cutting->name != NAME_NEW)
		return;
	for (; cutting->model.stale && at < size; at++)
		image->bytes[cutting->name][at] = (uint8_t)dice_roll(dice);
}

static void cut_by_chance(struct cutting *cutting)
{
	static uint8_t stopped[FILE_BYTES_MAX / SECTOR_BYTES];
	struct dice dice = dice_for(cutting->model.seed, cutting->model.cut_point,
		cutting->model.state, 100u + cutting->name);
	const struct file *file = cutting->file;

	choose_tear(cutting, &dice);
	cutting->stopped = stopped;
	memset(stopped, 0, file->size_now / cutting->model.grain + 1);
	for (size_t i = 0; i < file->pending.count && i <= cutting->last; i++) {
		if (file->pending.all[i].bytes)
			keep_some(cutting, i);
		else if (!stops(cutting, UINT64_MAX >> 8, i))
			set_size(cutting->image->bytes[cutting->name],
				&cutting->image->len[cutting->name], file->pending.all[i].size);
	}
	if (cutting->model.any_size)
		set_any_size(cutting, &dice);
}

static bool is_kept(int kind, size_t i, uint64_t one)
{
	return kind == KEEP_ALL || (kind == LOSE_ONE && i != one) ||
		(kind == KEEP_ONE && i == one);
}

static void cut_fixed(struct cutting *cutting, int kind)
{
	struct dice dice = dice_for(cutting->model.seed, cutting->model.cut_point,
		cutting->model.state, 200u + cutting->name);
	const struct file *file = cutting->file;
	uint64_t one = dice_below(&dice, file->pending.count);

	for (size_t i = 0; i < file->pending.count; i++) {
		const struct pending_record *pending = &file->pending.all[i];

		if (!is_kept(kind, i, one))
			continue;
		if (pending->bytes)
			put(cutting->image, cutting->name, pending, 0, pending->len);
		else
			set_size(cutting->image->bytes[cutting->name],
				&cutting->image->len[cutting->name], pending->size);
	}
}

/* Keeps or loses each sector of a failed flush independently. */
static void keep_unflushed(const struct cutting *cutting, int kind,
	const struct pending_record *write, size_t number)
{
	struct dice dice = dice_for(cutting->model.seed, cutting->model.state, number, 300);

	for (uint64_t done = 0; done < write->len; done += SECTOR_BYTES) {
		uint64_t left = write->len - done;
		bool kept = kind == KEEP_ALL || (kind != KEEP_NONE && dice_one_in(&dice, 2));

		if (kept)
			put(cutting->image, cutting->name, write, done,
				left < SECTOR_BYTES ? left : SECTOR_BYTES);
	}
}

static void cut_file(const struct file *file, const struct loss_model *model, enum name name,
	struct image *image)
{
	struct cutting cutting = { .file = file, .model = *model, .image = image,
		.name = name };
	int kind = kind_of_state(model->state);

	memcpy(image->bytes[name], file->bytes, file->size);
	image->len[name] = file->size;
	for (size_t i = 0; i < file->unflushed.count; i++)
		keep_unflushed(&cutting, kind, &file->unflushed.all[i], i);
	if (file->pending.count == 0)
		return;
	if (kind == BY_CHANCE)
		cut_by_chance(&cutting);
	else
		cut_fixed(&cutting, kind);
}

static void cut_names(const struct disk *disk, const struct loss_model *model, int named[NAMES])
{
	int kind = kind_of_state(model->state);
	struct dice dice = dice_for(model->seed, model->cut_point, model->state, 2);
	uint64_t one = disk->change_count ? dice_below(&dice, disk->change_count) : 0;

	memcpy(named, disk->named, sizeof disk->named);
	for (size_t i = 0; i < disk->change_count; i++)
		if (kind == BY_CHANCE ? dice_below(&dice, 256) >= model->names_in_256
				: is_kept(kind, i, one))
			make_change(named, &disk->changes[i]);
}

void disk_cut(const struct disk *disk, uint64_t seed, uint64_t cut_point, uint64_t state,
	struct image *image)
{
	struct loss_model model = loss_model_of(seed, cut_point, state);
	int named[NAMES];

	cut_names(disk, &model, named);
	for (enum name name = 0; name < NAMES; name++) {
		memset(image->bytes[name], 0, image->len[name]);
		image->len[name] = 0;
		image->there[name] = named[name] != NO_FILE;
		if (image->there[name])
			cut_file(&disk->files[named[name]], &model, name, image);
	}
}
