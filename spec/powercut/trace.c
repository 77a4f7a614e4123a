/* trace.c - records a trace with the hooks of calls.h. */
#include "powercut/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls/calls.h"

#define EVENTS_MAX 65536
#define BYTES_MAX (UINT64_C(256) << 20)
#define DESCRIPTORS 256
#define SECTOR 512

/* LMDB's lock file and the shared page are written through mappings, which the hooks cannot
 * see, so their first bytes are compared at each mark. The rest of the lock file is reader
 * slots. */
#define MAPPED_BYTES 8192

/* Temporary files have random digits in their names; all of them are traced as one name. */
#define PART_MARK "-part"
#define PART_DIGITS "0000000000000000"
const char *const name_suffix[NAMES] = { "", PART_MARK PART_DIGITS, "-lock", "-wake" };

enum { NO_DESCRIPTOR, A_FILE, THE_DIRECTORY };

struct descriptor {
	int kind;
	int file;
	bool writes_through;         /* O_DSYNC */
};

static struct trace *tracing;
static char base[PATH_MAX];
static size_t base_len;
static uint64_t dies_at, fails_at, flushes;
static struct descriptor descriptors[DESCRIPTORS];
static uint8_t mapped[NAMES][MAPPED_BYTES];

struct trace *trace_new(void)
{
	size_t events = EVENTS_MAX * sizeof(struct trace_event);
	size_t size = sizeof(struct trace) + events + BYTES_MAX;
	uint8_t *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct trace *trace = (struct trace *)(void *)at;

	if ((void *)at == MAP_FAILED) {
		perror("allocate the trace");
		exit(1);
	}
	trace->events = (struct trace_event *)(void *)(at + sizeof *trace);
	trace->max = EVENTS_MAX;
	trace->bytes = at + sizeof *trace + events;
	trace->buf = BYTES_MAX;
	return trace;
}

void trace_free(struct trace *trace)
{
	munmap(trace, sizeof *trace + trace->max * sizeof(struct trace_event) + trace->buf);
}

void trace_clear(struct trace *trace, const int named[NAMES], int files)
{
	trace->count = trace->used = 0;
	trace->files = files;
	trace->full = false;
	trace->calls = 0;
	trace->unsupported[0] = '\0';
	memcpy(trace->named, named, sizeof trace->named);
}

/* --- events --- */

static struct trace_event *add(enum deed_kind kind, int file)
{
	static struct trace_event nowhere;
	struct trace_event *event = &tracing->events[tracing->count];

	if (tracing->count == tracing->max) {
		tracing->full = true;
		return &nowhere;
	}
	*event = (struct trace_event){ .kind = kind, .file = file };
	tracing->count++;
	return event;
}

static void add_write(int file, uint64_t at, const void *bytes, size_t len)
{
	struct trace_event *event;

	if (len > tracing->buf - tracing->used) {
		tracing->full = true;
		return;
	}
	event = add(TRACE_WRITE, file);
	event->at = at;
	event->len = len;
	event->bytes = tracing->bytes + tracing->used;
	memcpy(tracing->bytes + tracing->used, bytes, len);
	tracing->used += len;
}

static void reject_call(const struct call *call, const char *what)
{
	snprintf(tracing->unsupported, sizeof tracing->unsupported, "%s: %s",
		call_name(call->kind), what);
}

/* --- names and descriptors --- */

static bool is_temporary(const char *suffix)
{
	size_t mark = strlen(PART_MARK), digits = strlen(PART_DIGITS);

	return strncmp(suffix, PART_MARK, mark) == 0 && strlen(suffix) == mark + digits &&
		strspn(suffix + mark, "0123456789abcdef") == digits;
}

/* Returns NAMES if path is not a file of the database. */
static enum name name_of(const char *path)
{
	enum name name = NAME_DATA;

	if (strncmp(path, base, base_len) != 0)
		return NAMES;
	if (is_temporary(path + base_len))
		return NAME_NEW;
	while (name < NAMES && strcmp(path + base_len, name_suffix[name]) != 0)
		name++;
	return name;
}

static bool is_directory(const char *path)
{
	size_t len = (size_t)(strrchr(base, '/') - base);

	return strlen(path) == len && strncmp(path, base, len) == 0;
}

/* Returns the name of an open file. LMDB opens links to descriptors
 * (os/fd_links.h). */
static enum name name_of_open(const struct call *call, long fd)
{
	enum name name = name_of(call->path);
	char link[40], path[PATH_MAX];
	ssize_t len;

	if (name != NAMES || fd < 0)
		return name;
	snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
	len = readlink(link, path, sizeof path - 1);
	path[len > 0 ? len : 0] = '\0';
	return name_of(path);
}

static void opened(const struct call *call, long fd)
{
	enum name name = name_of_open(call, fd);
	struct descriptor *as;

	if (fd < 0)
		return;
	if (fd >= DESCRIPTORS) {
		reject_call(call, "too many descriptors");
		return;
	}
	as = &descriptors[fd];
	*as = (struct descriptor){ NO_DESCRIPTOR, NO_FILE, false };
	if (is_directory(call->path))
		as->kind = THE_DIRECTORY;
	if (name == NAMES)
		return;
	if (tracing->named[name] == NO_FILE) {
		tracing->named[name] = tracing->files++;
		add(TRACE_MAKE, tracing->named[name])->name = name;
	}
	*as = (struct descriptor){ A_FILE, tracing->named[name], (call->flags & O_DSYNC) != 0 };
	if (call->flags & O_TRUNC)
		reject_call(call, "O_TRUNC");
	if (tracing->files == FILES_MAX)
		tracing->full = true;
}

static void renamed(const struct call *call)
{
	enum name from = name_of(call->path), to = name_of(call->to);
	struct trace_event *event;

	if (from == NAMES && to == NAMES)
		return;
	if (from == NAMES || to == NAMES || tracing->named[from] == NO_FILE) {
		reject_call(call, call->to);
		return;
	}
	event = add(TRACE_RENAME, tracing->named[from]);
	event->name = from;
	event->to = to;
	tracing->named[to] = tracing->named[from];
	tracing->named[from] = NO_FILE;
}

static void unlinked(const struct call *call)
{
	enum name name = name_of(call->path);

	if (name == NAMES)
		return;
	add(TRACE_UNLINK, tracing->named[name])->name = name;
	tracing->named[name] = NO_FILE;
}

/* --- writes and flushes --- */

static void written(const struct call *call, const struct descriptor *as, long result)
{
	uint64_t at = call->at;
	size_t left = (size_t)result;

	for (int i = 0; i < call->part_count && left > 0; i++) {
		size_t len = call->parts[i].iov_len < left ? call->parts[i].iov_len : left;

		/* The model treats the consecutive pages that LMDB writes with one call as
		 * separate writes, each of which is torn or lost independently. */
		add_write(as->file, at, call->parts[i].iov_base, len);
		at += len;
		left -= len;
	}
	if (as->writes_through) {
		struct trace_event *event = add(TRACE_FLUSH_PART, as->file);

		event->at = call->at;
		event->len = (uint64_t)result;
	}
}

static void mapped_by(const struct call *call, const struct descriptor *as)
{
	bool watched = as->file == tracing->named[NAME_LOCK] ||
		as->file == tracing->named[NAME_WAKE];

	if ((call->flags & MAP_TYPE) == MAP_SHARED && !watched &&
			as->file != tracing->named[NAME_DATA] &&
			as->file != tracing->named[NAME_NEW])
		reject_call(call, "a mapping of a file without a name");
}

static void after_on_file(const struct call *call, const struct descriptor *as, long result)
{
	switch (call->kind) {
	case CALL_PWRITE: case CALL_WRITE: case CALL_WRITEV:
		written(call, as, result);
		break;
	case CALL_TRUNCATE:
		add(TRACE_SIZE, as->file)->len = call->len;
		break;
	case CALL_RESERVE:
		add(TRACE_GROW, as->file)->len = call->at + call->len;
		break;
	case CALL_FSYNC: case CALL_FDATASYNC:
		add(TRACE_FLUSH, as->file);
		break;
	case CALL_MAP:
		mapped_by(call, as);
		break;
	default:
		break;
	}
}

static void after(const struct call *call, long result)
{
	struct descriptor *as;

	if (call->kind == CALL_OPEN)
		opened(call, result);
	if (result < 0 || call->kind == CALL_OPEN)
		return;
	if (call->kind == CALL_RENAME)
		renamed(call);
	if (call->kind == CALL_UNLINK)
		unlinked(call);
	if (call->fd < 0 || call->fd >= DESCRIPTORS)
		return;
	as = &descriptors[call->fd];
	if (as->kind == A_FILE)
		after_on_file(call, as, result);
	if (as->kind == THE_DIRECTORY && call->kind == CALL_FSYNC)
		add(TRACE_FLUSH_NAMES, NO_FILE);
	if (call->kind == CALL_CLOSE)
		as->kind = NO_DESCRIPTOR;
}

static bool changes_files(const struct call *call)
{
	switch (call->kind) {
	case CALL_OPEN: case CALL_PWRITE: case CALL_WRITE: case CALL_WRITEV: case CALL_TRUNCATE:
	case CALL_RESERVE: case CALL_FSYNC: case CALL_FDATASYNC: case CALL_RENAME:
	case CALL_UNLINK:
		return true;
	default:
		return false;
	}
}

static bool is_flush_of_file(const struct call *call)
{
	return (call->kind == CALL_FSYNC || call->kind == CALL_FDATASYNC) &&
		call->fd >= 0 && call->fd < DESCRIPTORS &&
		descriptors[call->fd].kind == A_FILE;
}

static struct fate before(const struct call *call)
{
	if (changes_files(call) && ++tracing->calls == dies_at)
		_exit(0);
	if (is_flush_of_file(call) && ++flushes == fails_at) {
		add(TRACE_FLUSH_FAILED, descriptors[call->fd].file);
		return (struct fate){ .error = EIO };
	}
	return (struct fate){ 0 };
}

static const struct call_hooks recorder = { before, after };

void trace_begin(struct trace *trace, const char *path, uint64_t kill_at, uint64_t fail_at)
{
	tracing = trace;
	snprintf(base, sizeof base, "%s", path);
	base_len = strlen(base);
	dies_at = kill_at ? trace->calls + kill_at : 0;
	fails_at = fail_at;
	flushes = 0;
	memset(descriptors, 0, sizeof descriptors);
	memset(mapped, 0, sizeof mapped);
	calls_watch(&recorder);
}

bool trace_flush_has_failed(void)
{
	return fails_at && flushes >= fails_at;
}

void trace_end(void)
{
	calls_watch(NULL);
}

/* --- marks --- */

/* Returns a descriptor that LMDB or the library has open. Opening and closing
 * the lock file here would release LMDB's locks. */
static int descriptor_of(int file)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (descriptors[fd].kind == A_FILE && descriptors[fd].file == file)
			return fd;
	return -1;
}

static void add_mapped_writes(enum name name)
{
	uint8_t now[MAPPED_BYTES];
	int file = tracing->named[name];
	int fd = file == NO_FILE ? -1 : descriptor_of(file);
	ssize_t len = fd < 0 ? 0 : pread(fd, now, sizeof now, 0);

	for (ssize_t at = 0; at + SECTOR <= len; at += SECTOR) {
		if (memcmp(mapped[name] + at, now + at, SECTOR) == 0)
			continue;
		memcpy(mapped[name] + at, now + at, SECTOR);
		add_write(file, (uint64_t)at, now + at, SECTOR);
	}
}

void trace_mark(const struct mark *mark)
{
	calls_watch(NULL);
	add_mapped_writes(NAME_LOCK);
	add_mapped_writes(NAME_WAKE);
	add(TRACE_MARK, NO_FILE)->mark = *mark;
	calls_watch(&recorder);
}
