/* peer_redis.c - Redis: items as strings, changes as a stream, and its own server.
 *
 * All writes go to the server's append-only file. A put is a script that reads the
 * old item, stores the new one and adds both to the stream. Several puts are a
 * pipeline between MULTI and EXEC: one transaction, one flush.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/peer.h"
#include "lib/redis.h"

#define PAGE 1000
#define READY_TRIES 6000
#define READY_SLEEP 10000000L
#define ID_MAX 48
#define SHA_HEX 40

static const char script[] =
	"local old = redis.call('GET', KEYS[1]) "
	"redis.call('SET', KEYS[1], ARGV[1]) "
	"return redis.call('XADD', KEYS[2], '*', 'key', KEYS[1], 'old', old or '', 'new', ARGV[1])";

static char *const server_words[] = {
	"redis-server", "--port", "0", "--unixsocket", REDIS_SOCKET, "--dir", ".",
	"--appendonly", "yes", "--save", "", "--auto-aof-rewrite-percentage", "0",
	"--logfile", "redis.log", NULL,
};

static struct redis server;
static char sha[SHA_HEX + 1];
static enum use use;

/* Page of the stream that is being read. */
static redisReply *page;
static size_t page_at;
static char last_id[ID_MAX] = "0";

static void describe(void)
{
	printf("hiredis %d.%d, unix socket; the server:", HIREDIS_MAJOR, HIREDIS_MINOR);
	for (int i = 0; server_words[i]; i++)
		printf(" %s", server_words[i][0] ? server_words[i] : "''");
	printf("\nfull, one_flush: appendfsync always; relaxed: everysec; none: no\n%s\n", script);
	printf("read: XREAD COUNT %d; wait: XREAD BLOCK; trim: XTRIM MAXLEN = n\n", PAGE);
}

/* --- opening --- */

static void open_server(const char *path, enum level level, enum use wanted)
{
	redisReply *reply;

	use = wanted;
	redis_open(&server, path, level);
	reply = redis_ask(&server, "SCRIPT LOAD %s", script);
	snprintf(sha, sizeof sha, "%s", reply->str);
	freeReplyObject(reply);
}

static void stop(void)
{
	if (page)
		freeReplyObject(page);
	page = NULL;
	page_at = 0;
}

static void close_server(void)
{
	stop();
	redisFree(server.context);
}

static long info(const char *section, const char *name)
{
	redisReply *reply = redis_ask(&server, "INFO %s", section);
	const char *at = strstr(reply->str, name);
	long value = at ? strtol(at + strlen(name), NULL, 10) : 0;

	freeReplyObject(reply);
	return value;
}

static pid_t server_id(void)
{
	return (pid_t)info("server", "process_id:");
}

/* --- writing --- */

static void begin(uint64_t puts)
{
	if (puts > 1)
		redis_send_word(&server, "MULTI");
}

static void commit(void)
{
	if (server.expected > 1)
		redis_send_word(&server, "EXEC");
	freeReplyObject(redis_receive_all(&server));
}

static void put(const struct order *order)
{
	const char *words[] = { "EVALSHA", sha, "2", (const char *)order->key, "changes",
		(const char *)order->item };
	const size_t lens[] = { 7, SHA_HEX, 1, ORDER_KEY, 7, ORDER_ITEM };
	const char *bare[] = { "SET", (const char *)order->key, (const char *)order->item };
	const size_t bare_lens[] = { 3, ORDER_KEY, ORDER_ITEM };

	if (use == USE_CAPTURED)
		redis_send_words(&server, 6, words, lens);
	else
		redis_send_words(&server, 3, bare, bare_lens);
}

/* The flush after any write flushes the whole file. */
static void flush(void)
{
	redis_set_level(&server, LEVEL_FULL);
	redis_do(&server, "SET flushed %s", "yes");
}

static void settle(void)
{
	redis_do(&server, "%s", "BGREWRITEAOF");
	while (info("persistence", "aof_rewrite_in_progress:") ||
			info("persistence", "aof_rewrite_scheduled:"))
		sleep_ns(READY_SLEEP);
}

static uint64_t trim(uint64_t stay)
{
	redisReply *reply = redis_ask(&server, "XLEN changes");
	uint64_t len = (uint64_t)reply->integer;
	uint64_t gone = len > stay ? len - stay : 0;

	freeReplyObject(reply);
	for (uint64_t left = gone, rows; left > 0; left -= rows) {
		char number[ID_MAX];

		rows = left < TRIM_BATCH ? left : TRIM_BATCH;
		snprintf(number, sizeof number, "%llu", (unsigned long long)(stay + left - rows));
		redis_do(&server, "XTRIM changes MAXLEN = %s", number);
	}
	return gone;
}

/* --- reading --- */

static bool get(const uint8_t *key, uint8_t *item)
{
	redisReply *reply = redis_ask(&server, "GET %b", key, (size_t)ORDER_KEY);
	bool is_there = reply->type == REDIS_REPLY_STRING && reply->len == ORDER_ITEM;

	if (is_there)
		memcpy(item, reply->str, ORDER_ITEM);
	freeReplyObject(reply);
	return is_there;
}

static void remember(const redisReply *entry)
{
	snprintf(last_id, sizeof last_id, "%s", entry->element[0]->str);
}

static void start(bool behind_last)
{
	redisReply *reply;

	stop();
	strcpy(last_id, "0");
	if (!behind_last)
		return;
	reply = redis_ask(&server, "XREVRANGE changes + - COUNT 1");
	if (reply->elements)
		remember(reply->element[0]);
	freeReplyObject(reply);
}

/* Returns the entries of one stream in a reply to XREAD. */
static const redisReply *entries(void)
{
	return page && page->type == REDIS_REPLY_ARRAY && page->elements ?
		page->element[0]->element[1] : NULL;
}

static void ask_page(const char *how)
{
	stop();
	page = redis_ask(&server, how, PAGE, last_id);
}

static bool next(struct change *change)
{
	const redisReply *found = entries(), *fields;

	if (!found || page_at == found->elements) {
		ask_page("XREAD COUNT %d STREAMS changes %s");
		found = entries();
	}
	if (!found)
		return false;
	remember(found->element[page_at]);
	fields = found->element[page_at++]->element[1];
	change->old_image = (const uint8_t *)fields->element[3]->str;
	change->old_len = fields->element[3]->len;
	change->new_image = (const uint8_t *)fields->element[5]->str;
	change->new_len = fields->element[5]->len;
	return true;
}

/* Waits for changes; the reply to XREAD BLOCK contains them. */
static void wait_page(bool busy)
{
	(void)busy;
	ask_page("XREAD BLOCK 1000 COUNT %d STREAMS changes %s");
}

/* --- the server --- */

static void serve(const char *path)
{
	char byte;
	pid_t child;

	redis_enter(path);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execvp(server_words[0], server_words);
		die(server_words[0], strerror(errno));
	}
	if (child < 0)
		die("fork", strerror(errno));
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	kill(child, SIGTERM);
	if (waitpid(child, NULL, 0) != child)
		die("redis", strerror(errno));
}

static bool answers(void)
{
	redisContext *context = redisConnectUnix(REDIS_SOCKET);
	redisReply *reply = context && !context->err ? redisCommand(context, "PING") : NULL;
	bool is_ready = reply && reply->type == REDIS_REPLY_STATUS;

	if (reply)
		freeReplyObject(reply);
	if (context)
		redisFree(context);
	return is_ready;
}

static void ready(const char *path)
{
	redis_enter(path);
	for (int i = 0; i < READY_TRIES; i++) {
		if (answers())
			return;
		sleep_ns(READY_SLEEP);
	}
	die("redis", "the server does not answer");
}

const struct peer peer = {
	.name = "redis",
	.describe = describe,
	.open = open_server,
	.close = close_server,
	.begin = begin,
	.put = put,
	.commit = commit,
	.flush = flush,
	.settle = settle,
	.get = get,
	.start = start,
	.next = next,
	.wait = wait_page,
	.trim = trim,
	.server = server_id,
	.serve = serve,
	.ready = ready,
};
