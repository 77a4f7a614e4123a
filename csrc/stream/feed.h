/* feed.h - reads the records of one stream, or of several or all streams in commit order.
 *
 * The position of a feed is the sequence number of the last record returned.
 * feed_fill copies a page of the following records from one snapshot, and
 * feed_next returns these records one by one, without a snapshot. Records that
 * do not pass the feed's filter are not in the page. A fill reads at most
 * FEED_PAGE_RECORDS records, so the page can be empty although the feed has not
 * caught up. Each annotated record is returned with the annotation of its transaction, which is
 * searched at most once for each transaction. A feed that starts at POSITION_NEWEST reads backward
 * to the first expired record (feed_backward.h). A feed of several streams that is far behind may
 * copy records that an earlier fill has read ahead, after checking that they have not expired
 * (feed_ahead.h).
 *
 *     page    for each record: stream id (u32), length (u32), the record
 */
#ifndef STREAM_FEED_H
#define STREAM_FEED_H

#include "base/error.h"
#include "stream/floors.h"
#include "stream/merge.h"
#include "stream/read_ahead.h"
#include "stream/retention.h"
#include "stream/stream_set.h"

#define FEED_PAGE_RECORDS 1000
/* A page of one stream should stay in the processor's L2 cache until it is read. A page
 * of all streams is larger because each fill must search for the position in every
 * stream. */
#define FEED_PAGE_BYTES (128 * 1024)
#define FEED_MERGED_BYTES (1024 * 1024)

enum position_kind {
	POSITION_TRIM_HORIZON,       /* the oldest record that has not expired */
	POSITION_LATEST,             /* after the last change */
	POSITION_AT,                 /* the first record with a sequence number >= at */
	POSITION_AFTER,              /* the first record with a sequence number > at */
	POSITION_TIME,               /* the first record created at or after `at` ms */
	POSITION_NEWEST,             /* the newest record; the feed returns older and older ones */
};

struct position {
	enum position_kind kind;
	uint64_t at;
};

/* Selects the records that a feed returns. */
struct record_filter {
	/* Sets *passes for a record of this stream. Returns 0 or CORRUPT. NULL: all records
	 * pass. */
	int (*test)(void *context, const struct stream_row *stream, const struct record *record,
		bool *passes);
	void *context;
	bool ignores_annotations;    /* test may get a record that lacks its annotation */
	bool has_hashes;             /* only records whose partition hash is in this range can
	                              * pass, and the others are not copied */
	uint32_t first_hash, last_hash;
};

/* What a merged feed has read since it last decided whether to read ahead. */
struct merge_pace {
	uint64_t from, to;           /* positions at the beginning and at the end */
	uint64_t records;
	uint64_t runs;               /* of records of one stream */
	uint64_t bytes;
	uint64_t number_bytes;       /* bytes of a window for each sequence number */
	bool alternates;             /* the decision: the streams alternate */
};

struct feed {
	struct stream_set streams;
	const struct record_filter *filter;  /* NULL: every record passes */
	bool backward;               /* newest record first, for one stream: the feed has returned
	                              * the records from the position on */
	uint64_t position;           /* sequence number of the last record returned or skipped */
	uint64_t filled_to;          /* sequence number of the last record read by the fill */
	uint64_t transaction;        /* transaction of that record; 0: no record was read */
	uint64_t filled_at;          /* commit number of the snapshot of the last fill */
	bool caught_up;              /* the page contained the last record of that snapshot */
	bool ended;                  /* caught up with a disabled stream, so that no record of it
	                              * can follow */
	uint64_t started;            /* last sequence number assigned when floors were read */
	struct floors floors;        /* of the streams that existed then */
	struct merge merge;          /* streams to read next; used by a feed of all streams */
	struct read_ahead ahead;     /* records between the position and those of the merge */
	struct merge_pace pace;
	struct buffer page;
	size_t at;                   /* offset of the next record in the page */
	uint32_t taken;              /* records that the last fill added to the page */
	uint32_t filtered_out;           /* records of the last fill that did not pass the filter */
	size_t filtered_out_bytes;       /* bytes of those records */
	uint64_t left_out;           /* records of all fills that did not pass the filter */
	struct buffer annotation;    /* that of the transaction `annotated` */
	uint64_t annotated;          /* 0: none */
};

/* A snapshot and the streams in it. */
struct view_of_streams {
	struct txn *txn;
	struct streams *streams;
	const struct state *state;
	uint64_t clock_ms;           /* retention clock */
};

/* Starts a feed, which is zeroed but for its streams, at a position. Errors: AHEAD, NOT_FOUND (no
 * such stream). */
int feed_start(struct feed *feed, struct position position, const struct view_of_streams *view,
	struct failure *failure);

/* Starts a feed that continues after a position which was stored, with the floors of that time in
 * feed->floors and feed->started. Returns AHEAD. */
int feed_resume(struct feed *feed, uint64_t position, const struct view_of_streams *view,
	struct failure *failure);

/* Fills the page with up to max records after the position. It stays empty if the feed has
 * caught up, or if none of the records read passes the filter. Errors: TRIMMED, with the range of
 * the lost records; CORRUPT; NOT_FOUND if the stream was removed and may have had records that the
 * feed has not returned. */
int feed_fill(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	struct failure *failure);

/* Discards the records that were not returned, in the page and read ahead; the next fill reads them
 * again. */
void feed_reread(struct feed *feed);

/* Returns false if the feed had caught up in this commit; true if there may be records. A backward
 * feed that has caught up has none. */
static inline bool feed_has_news(const struct feed *feed, uint64_t last_commit)
{
	return !feed->caught_up || (!feed->backward && feed->filled_at != last_commit);
}

/* Returns the sequence number of the last record returned or, at the end of the page, of the
 * last record read. */
static inline uint64_t feed_position(const struct feed *feed)
{
	return feed->at < feed->page.len ? feed->position : feed->filled_to;
}

/* Returns true if the last fill ended before the last record of its snapshot. */
static inline bool feed_is_behind(const struct feed *feed)
{
	return !feed->caught_up;
}

/* Returns true if all records of this transaction have been returned or skipped. The feed knows
 * this after it has read a record of a later transaction and has returned the whole page; until
 * then the result is false. */
static inline bool feed_is_past(const struct feed *feed, uint64_t transaction)
{
	return feed->at >= feed->page.len && feed->transaction > transaction;
}

/* Returns true if the feed has returned all records, and one of its streams is disabled or was
 * removed. Feeds of all streams never end. */
static inline bool feed_has_ended(const struct feed *feed)
{
	return feed->ended && feed->at >= feed->page.len;
}

/* Sets *record to the next record of the page and advances the position; END if the page
 * is empty. The record is valid until the next fill. */
int feed_next(struct feed *feed, uint32_t *stream, struct slice *record);

/* Like feed_next, without advancing the position. */
int feed_peek(const struct feed *feed, uint32_t *stream, struct slice *record);

void feed_release(struct feed *feed);

#endif
