/* feed.h - a reader's place in one stream, or in all of them.
 *
 * A feed holds a position: the sequence number of the last record it has
 * given. It is filled with a page of what follows, copied out of one snapshot,
 * and then gives the records one by one; no snapshot is held meanwhile.
 *
 *     page    for each record: stream id (u32), length (u32), the record
 */
#ifndef STREAM_FEED_H
#define STREAM_FEED_H

#include "base/error.h"
#include "stream/retention.h"

#define FEED_PAGE_RECORDS 1000
/* A page is read soon after it was written, so it should stay in the processor's own
 * cache; of all streams, each page has to look for the place in every one. */
#define FEED_PAGE_BYTES (128 * 1024)
#define FEED_MERGED_BYTES (1024 * 1024)

enum position_kind {
	POSITION_TRIM_HORIZON,       /* the oldest record in sight */
	POSITION_LATEST,             /* behind the last change */
	POSITION_AT,                 /* the record with `at`, or the next */
	POSITION_AFTER,              /* the first with a greater number */
	POSITION_TIME,               /* the first created at or after `at` ms */
};

struct position {
	enum position_kind kind;
	uint64_t at;
};

/* What had gone from a stream when the feed was made: no loss of the feed's. */
struct floor {
	uint32_t stream;
	uint64_t hidden;
	uint64_t last;               /* the stream's last record then */
};

struct feed {
	uint32_t stream;             /* 0: all of them */
	uint64_t position;           /* the last record given, or passed by */
	uint64_t filled_to;          /* the last record in the page */
	uint64_t filled_at;          /* commit that the last fill has seen */
	bool caught_up;              /* at that commit nothing lay behind the page */
	bool ended;                  /* and nothing ever will: the stream is disabled */
	uint64_t started;            /* the last change when the floors were taken */
	struct floor *floors;
	size_t floor_count;
	struct buffer page;
	size_t at;                   /* what of the page is given */
};

/* What a fill reads from: a snapshot, and what is known of the streams in it. */
struct view_of_streams {
	struct txn *txn;
	struct streams *streams;
	const struct state *state;
	uint64_t clock_ms;           /* retention clock */
};

/* Sets a zeroed feed at a position: AHEAD, NOT_FOUND (no such stream). */
int feed_start(struct feed *feed, uint32_t stream, struct position position,
	const struct view_of_streams *view, struct failure *failure);

/* Fills the empty page with up to max records that follow; a page with none
 * means caught up. TRIMMED with the range lost; CORRUPT; NOT_FOUND when the
 * stream was removed with records that the feed may not have given. */
int feed_fill(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure);

/* Forgets what of the page is not given: the next fill reads it anew. */
void feed_reread(struct feed *feed);

/* False if the last fill found nothing behind its page and this commit is the one it
 * saw. */
static inline bool feed_has_news(const struct feed *feed, uint64_t last_commit)
{
	return !feed->caught_up || feed->filled_at != last_commit;
}

/* Returns true if the feed has given the last record that its stream will ever have. Feeds
 * of all streams never end. */
static inline bool feed_has_ended(const struct feed *feed)
{
	return feed->ended && feed->at >= feed->page.len;
}

/* The next record of the page: END when it is empty. Good until the next fill.
 * Moves the position. */
int feed_next(struct feed *feed, uint32_t *stream, struct slice *record);

/* The same without moving. */
int feed_peek(const struct feed *feed, uint32_t *stream, struct slice *record);

void feed_release(struct feed *feed);

#endif
