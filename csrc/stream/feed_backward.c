/* feed_backward.c - fills the page of a feed that returns the newest record first. */
#include "stream/feed_backward.h"

#include "stream/feed_page.h"

/* A fill. */
struct backward_fill {
	const struct view_of_streams *view;
	const struct stream_row *row;
	struct cursor *cursor;
	uint64_t hidden;             /* sequence number of the newest expired record */
	bool is_exact;               /* false: records after `hidden` may have expired, too */
};

/* Sets fill->hidden to the newest expired record, and moves the cursor back to the record. */
static int find_hidden(struct backward_fill *fill, struct record *header)
{
	const struct view_of_streams *view = fill->view;
	struct bounds bounds = { 0 };
	int err = stream_bounds(view->txn, fill->row->id, &bounds);

	if (!err)
		err = retention_hidden(view->txn, fill->row, &bounds, view->clock_ms, 0,
			&fill->hidden);
	if (!err)
		err = log_seek(fill->cursor, fill->row->id, header->sequence, header);
	fill->is_exact = !err;
	return err;
}

/* Returns END if the record under the cursor has expired. Without a limit of count or bytes a
 * record expires by its age, so the bounds of the stream are read only at a record that is too
 * old. */
static int check_not_expired(struct backward_fill *fill, struct record *header)
{
	static const struct stream_head no_head;
	const struct retention *limit = &fill->row->retention;
	int err = 0;

	if (header->sequence > fill->hidden && !fill->is_exact &&
			(limit->max_bytes || limit->max_count ||
			retention_expired(limit, &no_head, header, fill->view->clock_ms)))
		err = find_hidden(fill, header);
	return !err && header->sequence <= fill->hidden ? END : err;
}

/* Moves to the newest record before the feed's position. Returns END if it has expired, or if
 * there is none. */
static int seek_newest(struct backward_fill *fill, uint64_t position, struct record *header)
{
	uint32_t id = fill->row->id;
	struct horizon horizon;
	int err = stream_horizon(fill->view->txn, id, &horizon);

	if (err)
		return err;
	fill->hidden = horizon.hidden;
	err = log_previous(fill->cursor, id, position, header);
	return err ? err : check_not_expired(fill, header);
}

int feed_fill_backward(struct feed *feed, uint32_t max, const struct view_of_streams *view,
	const struct stream_row *row, struct failure *failure)
{
	struct backward_fill fill = { .view = view, .row = row };
	struct record header;
	int err = txn_cursor(view->txn, TREE_LOG, &fill.cursor);

	if (!err)
		err = seek_newest(&fill, feed->position, &header);
	while (!err && !feed_page_is_full(feed, max)) {
		err = feed_take(feed, fill.cursor, row->id, row, &header);
		if (!err)
			err = log_step_back(fill.cursor, row->id, &header);
		if (!err)
			err = check_not_expired(&fill, &header);
	}
	feed->caught_up = err == END;
	return err < 0 ? feed_fail_damaged(feed, row->id, feed->filled_to - 1, err, failure) : 0;
}
