/* judge.c - checks one state that a power cut left: opens, reads, checks and writes the
 * database. */
#include "powercut/judge.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls/digest.h"
#include "lmdb_file/format.h"
#include "os/clock.h"
#include "powercut/workload.h"
#include "unit/tides.h"

const char *verdict_text(enum verdict verdict)
{
	static const char *const texts[] = {
#define VERDICT_TEXT(name, text) text,
		VERDICT_MAP(VERDICT_TEXT)
#undef VERDICT_TEXT
	};

	return texts[verdict];
}

/* --- history --- */

static uint64_t known_digest(const struct history *history, uint64_t commit)
{
	return commit - history->first < history->count
		? history->digests[commit - history->first] : 0;
}

uint64_t history_digest(const struct history *history, uint64_t commit)
{
	return known_digest(history, commit);
}

/* Records the digest of a commit. Opening the database may make a commit that has no mark in the
 * trace, so the digest after opening is recorded too. */
static void add_digest(struct history *history, uint64_t after, const struct mark *mark)
{
	for (uint64_t commit = after + 1; commit <= mark->commit; commit++)
		history->digests[commit - history->first] = mark->digest;
	history->digests[mark->commit - history->first] = mark->digest;
}

void history_read(struct history *history, const struct trace *trace)
{
	const struct mark *before = NULL;
	uint64_t last = 0;

	memset(history, 0, sizeof *history);
	for (size_t i = 0; i < trace->count; i++)
		if (trace->events[i].kind == TRACE_MARK)
			last = trace->events[i].mark.commit;
	history->count = last + 1;
	history->digests = calloc(history->count, sizeof *history->digests);
	CHECK(history->digests != NULL);
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->events[i].kind != TRACE_MARK)
			continue;
		add_digest(history, before ? before->commit : 0, &trace->events[i].mark);
		before = &trace->events[i].mark;
	}
}

void history_release(struct history *history)
{
	free(history->digests);
}

/* --- images --- */

uint64_t image_commit(const struct image *image)
{
	size_t page = page_bytes_of_machine();
	uint64_t even, odd;

	if (!image->there[NAME_DATA] || image->len[NAME_DATA] < 2 * page)
		return 0;
	memcpy(&even, image->bytes[NAME_DATA] + META_PAGE_COMMIT_AT, sizeof even);
	memcpy(&odd, image->bytes[NAME_DATA] + page + META_PAGE_COMMIT_AT, sizeof odd);
	return even > odd ? even : odd;
}

static void install_file(const char *path, const uint8_t *bytes, uint64_t len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	CHECK(pwrite(fd, bytes, len, 0) == (ssize_t)len);
	close(fd);
}

void image_install(const struct image *image, const char *path)
{
	char name[4300];

	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "%s%s", path, name_suffix[i]);
		if (image->there[i])
			install_file(name, image->bytes[i], image->len[i]);
		else
			unlink(name);
	}
}

/* --- the trial --- */

static enum verdict judged(struct trial *trial, enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum verdict judged(struct trial *trial, enum verdict verdict, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(trial->message, sizeof trial->message, format, args);
	va_end(args);
	return verdict;
}

static enum verdict is_clean(struct trial *trial, struct tide *tide)
{
	struct report report = { 0 };
	struct failure failure = { 0 };
	int err = tide_check(tide, &report, &failure);
	enum verdict verdict = VERDICT_FINE;

	if (err)
		verdict = judged(trial, VERDICT_DAMAGED, "the check failed: %s", failure.message);
	else if (report.problems)
		verdict = judged(trial, VERDICT_DAMAGED, "%.*s", (int)report.text.len,
			(const char *)report.text.data);
	buffer_release(&report.text);
	return verdict;
}

static enum verdict shows_a_commit(struct trial *trial, struct tide *tide)
{
	struct failure failure = { 0 };
	uint64_t digest;
	int err = digest_of(tide, &digest, &failure);

	if (err)
		return judged(trial, VERDICT_DAMAGED, "reading failed: %s", failure.message);
	/* If the creation was not completed, no digest of it is known. */
	if (trial->commit > 0 && known_digest(trial->history, trial->commit) != digest)
		return judged(trial, VERDICT_OTHER, "commit %llu has other contents than before",
			(unsigned long long)trial->commit);
	return VERDICT_FINE;
}

/* Checks that the database can be used: creates a table, puts an item, gets a
 * new sequence number. */
static enum verdict can_be_written(struct trial *trial, struct tide *tide)
{
	struct tide_table_spec spec = spec_of("after-the-cut");
	struct tide_change change = { 0 };
	struct builder builder = { 0 };
	struct failure failure = { 0 };
	struct tide_table table;
	int err = tide_create_table(tide, &spec, &failure);

	if (!err)
		err = tide_table_named(&table, spec.name, &failure);
	if (!err)
		err = tide_begin(tide, &failure);
	if (!err)
		err = tide_put(tide, &table, item_of(&builder, "p", "s", "v"), &change, &failure);
	if (!err)
		err = tide_commit(tide, &failure);
	builder_release(&builder);
	if (err)
		return judged(trial, VERDICT_DAMAGED, "writing failed: %s", failure.message);
	if (change.sequence <= trial->mark.sequence)
		return judged(trial, VERDICT_REUSED, "sequence number %llu was assigned after %llu",
			(unsigned long long)change.sequence,
			(unsigned long long)trial->mark.sequence);
	return VERDICT_FINE;
}

static enum verdict open_read_only(struct trial *trial, const struct tide_options *options)
{
	struct tide_options only = *options;
	struct failure failure = { 0 };
	struct tide *tide;
	enum verdict verdict;

	only.read_only = true;
	only.create = false;
	if (tide_open(&tide, &only, &failure))
		return judged(trial, VERDICT_REFUSED, "opening read-only failed: %s",
			failure.message);
	verdict = shows_a_commit(trial, tide);
	tide_close(tide);
	return verdict;
}

static enum verdict open_and_try(struct trial *trial, const struct tide_options *options)
{
	struct failure failure = { 0 };
	struct tide *tide;
	enum verdict verdict;

	if (tide_open(&tide, options, &failure))
		return judged(trial, VERDICT_REFUSED, "%s", failure.message);
	verdict = shows_a_commit(trial, tide);
	if (!verdict)
		verdict = is_clean(trial, tide);
	if (!verdict)
		verdict = can_be_written(trial, tide);
	if (!verdict && dice_one_in(&trial->dice, 4))
		verdict = is_clean(trial, tide);
	if (!verdict && trial->commit < trial->mark.promised)
		verdict = judged(trial, VERDICT_LOST, "the last commit is %llu, promised was %llu",
			(unsigned long long)trial->commit,
			(unsigned long long)trial->mark.promised);
	tide_close(tide);
	return verdict;
}

enum verdict judge(struct trial *trial)
{
	struct clock *clock = clock_manual(WORKLOAD_NOW);
	struct tide_options options = { .path = trial->path, .create = !trial->mark.exists,
		.durability = trial->durability, .max_bytes = UINT64_C(64) << 20, .clock = clock };
	enum verdict verdict = VERDICT_FINE;

	trial->commit = image_commit(trial->image);
	image_install(trial->image, trial->path);
	if (trial->mark.exists && !trial->image->there[NAME_DATA])
		verdict = judged(trial, VERDICT_LOST, "the file name no longer exists");
	else if (trial->image->there[NAME_DATA] && dice_one_in(&trial->dice, 8))
		verdict = open_read_only(trial, &options);
	if (!verdict)
		verdict = open_and_try(trial, &options);
	clock_drop(clock);
	return verdict;
}
