"""Every bound of the hub: a name, a unit, and why it is what it is. Those of what leaves it are in `config/outgoing.py`.

A queue, body, page, cache, retry or loop without a line in one of the two is a defect.
"""

from typing import Final

# --- HTTP ---------------------------------------------------------------------------------------------------
BODY_BYTES_MAX: Final = 1 << 20
COMPLETION_BODY_BYTES_MAX: Final = 16 << 20  # completions carry images
BODY_UNCOUNTED_BYTES_MAX: Final = 65_536  # so much comes in however much else does
BODIES_ARRIVING_BYTES_MAX: Final = 256 << 20  # of all larger bodies that are coming in to one process
HEADER_BYTES_MAX: Final = 16_384
CONNECTION_BUFFER_BYTES_MAX: Final = 4 << 20
LISTEN_BACKLOG: Final = 4_096  # connections that wait to be accepted: thousands may come back at once
IDLE_CONNECTION_SECONDS: Final = 30
BODY_SECONDS_MAX: Final = 30
JSON_DEPTH_MAX: Final = 32
JSON_VALUES_MAX: Final = 400_000  # of one body: 16 MB of numbers alone keep everybody else waiting for seconds
JSON_INTEGER_DIGITS_MAX: Final = 19  # enough for every int64
FAILURES_TOLD_MAX: Final = 100  # failed fields of one input that its sender is told of
FIELD_CHARS_MAX: Final = 200  # of a field's path in an answer
PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100
PAGE_NUMBER_MAX: Final = 10_000
UNAVAILABLE_RETRY_SECONDS: Final = 2.0  # told with a 503 where nobody knows better
REQUEST_ID_CHARS_MAX: Final = 128
QUERY_CHARS_MAX: Final = 4_096  # of the query of an address
RATE_LIMIT_ENTRIES: Final = 50_000  # windows in memory; beyond it the oldest are forgotten
RATE_LIMIT_TELL_SECONDS: Final = 0.25  # what nodes may let through before they know of each other's requests
RATE_LIMIT_KEYS_AT_ONCE: Final = 256  # told in one write
BODY_DISCARDED_BYTES_MAX: Final = 32 << 20  # of a body that is too large, read and dropped so that the answer arrives

# --- identity -----------------------------------------------------------------------------------------------
ACCESS_TOKEN_SECONDS: Final = 3_600
ACCESS_TOKEN_CHARS_MAX: Final = 4_096  # a 1 MB token costs 69 ms to refuse by decoding it
LOGIN_SECONDS: Final = 7 * 86_400  # a refresh family and its cookie, sliding
REFRESHES_REMEMBERED: Final = 32  # used refresh tokens kept to recognise their reuse
IDENTITY_CACHE_ENTRIES: Final = 20_000
IDENTITY_CACHE_SECONDS: Final = 30  # a lost revocation message must not keep a credential alive longer
PASSWORD_BYTES_MAX: Final = 1_024
PASSWORD_CHARS_MIN: Final = 8
PASSWORD_HASHES_AT_ONCE: Final = 2
PASSWORD_HASH_QUEUE_MAX: Final = 50  # beyond it 503, so that a flood of logins cannot fill memory
TRIES_SECONDS: Final = 900  # the window of all tries below
LOGIN_TRIES_PER_ACCOUNT: Final = 10
LOGIN_TRIES_PER_ADDRESS: Final = 60
REGISTRATIONS_PER_ADDRESS: Final = 60
EMAIL_CHARS_MAX: Final = 254
NAME_CHARS_MAX: Final = 100
USERNAME_CHARS_MIN: Final = 3
USERNAME_CHARS_MAX: Final = 30
COOKIE_CHARS_MAX: Final = 256  # a cookie or refresh token of ours is about 80
LOGIN_SLIDE_SECONDS: Final = 3_600  # a login's use is noted at most this often, so that few requests write
IDENTITY_READ_TRIES: Final = 3  # reads of a credential that was revoked while it was being read
KEYS_PER_USER_MAX: Final = 100
KEY_EXPIRY_DAYS: Final = 90  # of a key of the AI Playground that asks for no other
KEY_EXPIRY_DAYS_MAX: Final = 3_650
KEY_MODELS_MAX: Final = 200  # that one key is limited to
KEY_REQUESTS_PER_MINUTE_MAX: Final = 1_000_000
KEY_TOKENS_PER_MINUTE_MAX: Final = 1_000_000_000
KEY_USE_SECONDS: Final = 60  # a key's uses are noted at most this often, so that few requests write
KEY_USE_LOOK_SECONDS: Final = 1.0  # between two looks at which are to be noted
KEY_USES_NOTED_MAX: Final = 10_000  # keys with uses in memory; those of others are not counted until some are written
REVOCATION_DAYS: Final = 1
REVOCATIONS_SEEN_MAX: Final = 10_000  # ids kept to tell a revocation's second coming
REVOCATIONS_REPLAY_MAX: Final = 1_000  # read at once after a gap; where there are more the whole cache is dropped
REVOCATION_OVERLAP_SECONDS: Final = 60  # read again after a gap: more than the clocks of two nodes differ
FOLLOW_RETRY_SECONDS: Final = 0.1  # doubled up to the next line
FOLLOW_RETRY_SECONDS_MAX: Final = 5.0
PASSWORD_CHANGES_PER_USER: Final = 10  # tries of the current password by who is signed in already
RESETS_ASKED_PER_ACCOUNT: Final = 3  # mails to one address, known or not
RESETS_ASKED_PER_ADDRESS: Final = 20
LINKS_OPENED_PER_ADDRESS: Final = 30  # tries of a mailed token
VERIFICATIONS_PER_USER: Final = 3
RESET_SECONDS: Final = 600  # life of a reset link, from the moment it is mailed
VERIFY_SECONDS: Final = 86_400
ONE_TIME_CHARS_MAX: Final = 128  # a token of ours has 43
OAUTH_STATE_SECONDS: Final = 600
OAUTH_CODE_SECONDS: Final = 60  # between our redirect and the exchange
OAUTH_VALUE_CHARS_MAX: Final = 2_048  # a code, state or address in the query
OAUTH_SECONDS_MAX: Final = 10.0  # one call to the identity provider
OAUTH_BYTES_MAX: Final = 256 << 10  # one answer of it
OAUTH_METADATA_SECONDS: Final = 3_600
OAUTH_KEYS_RETRY_SECONDS: Final = 60  # an unknown signing key has the keys read anew at most this often

# --- database and ledger ------------------------------------------------------------------------------------
MONEY_SECONDS_MAX: Final = 10  # deadline of one transaction, its retries included
QUERY_MILLISECONDS_MAX: Final = 2_000
DATABASE_POOL_MAX: Final = 50
READS_GATHERED_MAX: Final = 100  # documents of one query that several asked for
DATABASE_DOWN_WAIT_SECONDS: Final = 3  # how long an operation waits while the database is away
BATCH_OPERATIONS_MAX: Final = 512
BATCH_BYTES_MAX: Final = 8 << 20  # a transaction's writes stay far below one wire message of 48 MB
BATCH_CONFLICT_TRIES: Final = 5
LEDGER_QUEUE_MAX: Final = 10_000
MICRO_CREDITS_MAX: Final = 10**18  # a wallet stays below int64's 9.2 * 10^18
POINTS_MAX: Final = 10**15
AMOUNT_MICRO_CREDITS_MAX: Final = 10**15
AMOUNT_CENTS_MAX: Final = 10**14
IDEMPOTENCY_KEY_CHARS_MAX: Final = 255
IDEMPOTENCY_DAYS: Final = 7
IDEMPOTENCY_REPLY_BYTES_MAX: Final = 65_536  # a larger reply is not kept, and a repeat is told so
EVENT_DAYS: Final = 7
EVENT_REPLAY_MAX: Final = 1_000
WALLET_CACHE_ENTRIES: Final = 20_000
WALLET_SHARED_SECONDS: Final = 5.0  # a wallet that another process writes too is read anew for so long
NODE_HEARTBEAT_SECONDS: Final = 2
NODE_DEAD_SECONDS: Final = 10
SWEEP_SECONDS: Final = 5
SWEEP_HOLDS_MAX: Final = 200  # per round
UNSETTLED_HOLDS_MAX: Final = 10_000  # remembered for the sweeper; those beyond it wait until they expire
DRIFT_SECONDS: Final = 10
DRIFT_FULL_SECONDS: Final = 86_400

# --- administration -----------------------------------------------------------------------------------------
REASON_CHARS_MAX: Final = 500  # why an administrator changed something
REQUEST_STATS_SECONDS: Final = 10  # between two writes of what this node answered
REQUEST_STATS_DAYS: Final = 35
REQUEST_MINUTES_MAX: Final = 1_440  # kept in memory while the database is away
ENTRY_TOTALS_SECONDS: Final = 60
ENTRY_SETTLED_SECONDS: Final = 120  # an id this old is not followed by an older one: a commit takes at most 10 s
ENTRY_TOTALS_AT_ONCE: Final = 20_000  # entries summed by one query
ENTRY_TOTALS_PORTIONS: Final = 20  # such queries of one turn
ENTRY_YOUNG_PORTIONS: Final = 100  # and of one question: two minutes of 16,000 entries a second
CLIENT_VERSIONS_MAX: Final = 50  # values of X-Client-Version that are counted by name
CLIENT_VERSION_CHARS_MAX: Final = 64
ANNOUNCEMENT_CHARS_MAX: Final = 2_000
ANNOUNCEMENTS_ACTIVE_MAX: Final = 20
ANNOUNCED_AT_ONCE: Final = 200  # connections written to before the loop serves others
WEBHOOK_ENDPOINTS_MAX: Final = 100  # of one owner
WEBHOOK_URL_CHARS_MAX: Final = 2_048
WEBHOOK_SECRET_CHARS_MAX: Final = 256
WEBHOOK_EVENTS_MAX: Final = 50

# --- analytics ----------------------------------------------------------------------------------------------
ANALYTICS_EVENT_DAYS: Final = 90
ANALYTICS_EVENTS_PER_DAY_MAX: Final = 10_000  # of one user, so that a loop gone wild cannot fill the disk
ANALYTICS_PROPERTIES_BYTES_MAX: Final = 8_192  # of one event's, as JSON
ANALYTICS_PROPERTIES_KEYS_MAX: Final = 100  # those of inner objects included
ANALYTICS_PROPERTIES_DEPTH_MAX: Final = 5  # objects and lists within each other, the outermost included
USAGE_DAYS_SHOWN_MAX: Final = 3_660  # of one answer: ten years of days that had any

# --- payments and points ------------------------------------------------------------------------------------
PAYMENT_CALL_SECONDS_MAX: Final = 8.0  # one call to the payments company
PAYMENT_CALLS_AT_ONCE: Final = 20
PAYMENT_PENDING_SECONDS: Final = 10.0  # a payment without news for so long is looked up; doubled while nothing is known
PAYMENT_PENDING_SECONDS_MAX: Final = 3_600.0
PAYMENT_ABANDONED_SECONDS: Final = 86_400.0  # then what its payer never finished is cancelled
PAYMENT_SWEEP_SECONDS: Final = 5
PAYMENT_SWEEP_MAX: Final = 50  # payments a round
PAYMENTS_SWEPT_AT_ONCE: Final = 10  # calls to the company, of those that may be made at once
PAYMENT_ID_CHARS_MAX: Final = 255
PAYMENT_EVENT_BYTES_MAX: Final = 256 << 10  # of one webhook
PAYMENT_EVENT_AGE_SECONDS_MAX: Final = 300
CREDIT_MICRO_USD_MIN: Final = 100  # what a credit may be worth, in millionths of a dollar: a hundredth of a cent
CREDIT_MICRO_USD_MAX: Final = 10**9  # and a thousand dollars, so that a micro-credit is less than a cent
TOP_UP_CENTS_MIN: Final = 100  # companies charge nothing below half a dollar
TOP_UP_CENTS_MAX: Final = 1_000_000  # ten thousand dollars at once; more is a slip of the decimal point
POINT_METADATA_BYTES_MAX: Final = 4_096
DESCRIPTION_CHARS_MAX: Final = 500
EXCHANGE_RATES_MAX: Final = 1_000  # listed at once
EXCHANGE_RATE_MAX: Final = 1_000_000  # points for one credit

# --- embedded database and Redis ----------------------------------------------------------------------------
EMBEDDED_CACHE_GIGABYTES: Final = 0.25
EMBEDDED_OPLOG_MEGABYTES: Final = 64
EMBEDDED_TRANSACTION_SECONDS: Final = 5  # what a killed hub left open blocks others no longer than this
EMBEDDED_LOG_BYTES_MAX: Final = 8 << 20  # one older file of the same size is kept
EMBEDDED_START_SECONDS_MAX: Final = 120  # recovery of a large folder after a crash takes its time
EMBEDDED_START_TRIES: Final = 3
EMBEDDED_STOP_SECONDS_MAX: Final = 10.0
EMBEDDED_WATCH_SECONDS: Final = 0.2  # between two looks at whether it still runs
EMBEDDED_RESTART_SECONDS_MAX: Final = 10.0  # the longest pause before it is started again
EMBEDDED_STEADY_SECONDS: Final = 60.0  # having run this long, its next end is a first one again
EMBEDDED_REDIS_BYTES_MAX: Final = 256 << 20  # of what it keeps: answers of the last minutes, which the database has too
EMBEDDED_REDIS_START_SECONDS_MAX: Final = 10.0  # it has nothing to recover

# --- chat ---------------------------------------------------------------------------------------------------
MESSAGES_PER_REQUEST_MAX: Final = 1_000
MAX_TOKENS_MAX: Final = 10_000_000  # far above any model's limit, which is checked once the model is known
STOPS_MAX: Final = 4
STOP_SEQUENCES_MAX: Final = 64  # in Anthropic's form
STOP_CHARS_MAX: Final = 256
MESSAGE_CHARS_MAX: Final = 1_000_000
PARTS_PER_MESSAGE_MAX: Final = 256
TOOL_CALLS_PER_MESSAGE_MAX: Final = 256
TOOLS_PER_REQUEST_MAX: Final = 1_024
BETAS_CHARS_MAX: Final = 1_000  # of the header `anthropic-beta`
EMBEDDING_INPUTS_MAX: Final = 2_048  # texts of one request, as OpenAI takes them
EMBEDDING_TOKENS_MAX: Final = 300_000  # of all of them
EMBEDDING_TEXT_CHARS_MAX: Final = 1_000_000  # what of it the model takes is counted in tokens
EMBEDDING_TOKEN_MAX: Final = 10_000_000  # an input of token ids: far above any vocabulary
EMBEDDING_DIMENSIONS_MAX: Final = 65_536  # far above any model's own, which is checked once the model is known
EMBEDDING_REPLY_BYTES_MAX: Final = 1 << 20  # kept for a repeat with the same key: 120 vectors of 1,536 numbers
EMBEDDINGS_RUNNING_MAX: Final = 64  # requests at once
EMBEDDINGS_PER_USER_MAX: Final = 16
EMBEDDING_VECTORS_BYTES_MAX: Final = 96 << 20  # of all requests at once; in memory they are several times as much
EMBEDDING_PIECE_BYTES: Final = 256 << 10  # of an answer, written before the next piece is made
EMBEDDING_BODY_BYTES_MAX: Final = 64 << 20  # of a provider's answer: 2,048 vectors of 3,072 numbers have 34 MB
FIRST_LEASE_TOKENS: Final = 256
LEASE_TOKENS_MAX: Final = 4_096  # leases double up to this, so that a fast stream commits seldom
LEASE_TOKENS_MIN: Final = 32
RENEWAL_PAUSE_SECONDS: Final = 0.25  # after a renewal that failed
LEASE_LOW_WATER: Final = 0.5  # ask for the next lease when this part of the last one is left
CHECKPOINT_SECONDS: Final = 2.0
GENERATION_SECONDS_MAX: Final = 600
HOLD_SECONDS: Final = 900  # longer than any generation: only a dead owner's hold expires
DISCONNECT_GRACE_SECONDS: Final = 15.0
SSE_HEARTBEAT_SECONDS: Final = 15.0
SSE_DELTAS_AT_ONCE: Final = 256  # encoded in one write: what waits for a slow reader is this, not the whole answer
STREAM_REPLAY_SECONDS: Final = 3_600
STREAM_MEMORY_BYTES_MAX: Final = 64 << 20  # finished streams kept for replay; older ones are read from the database
STREAMS_RUNNING_MAX: Final = 2_000
STREAMS_PER_USER_MAX: Final = 20
QUOTA_STREAMS_PER_USER_MAX: Final = 256  # where a quota counts: it is to refuse what is too much, and says until when
STATELESS_MESSAGE_DAYS: Final = 7
QUOTA_WARNING_PERCENTS: Final = (80, 90)  # of a period's requests, at which their user is told
CONVERSATION_CONTEXT_MESSAGES_MAX: Final = 200

# --- providers ----------------------------------------------------------------------------------------------
PROVIDER_CONNECT_SECONDS: Final = 5.0
PROVIDER_IDLE_SECONDS: Final = 60.0  # between two reads of one answer
PROVIDER_TRIES: Final = 3  # the first and two more, before the first delta only
ROUTE_REST_SECONDS: Final = 30.0  # a model's route that failed is tried after its others for so long
ROUTE_REST_SECONDS_MAX: Final = 300.0  # however long the provider asks for
CHOICES_MAX: Final = 8  # of one completion: OpenAI's `n`
ROUTES_PER_MODEL_MAX: Final = 8
PROVIDER_RETRY_AFTER_SECONDS_MAX: Final = 10.0
PROVIDER_BACKOFF_SECONDS: Final = 0.3
PROVIDER_CONNECTIONS_MAX: Final = 1_000
PROVIDER_LINE_BYTES_MAX: Final = 1 << 20  # one line of an event stream
PROVIDER_BODY_BYTES_MAX: Final = 8 << 20  # an answer is stored in one document, which may have 16 MB
PROVIDER_ERROR_CHARS_MAX: Final = 500  # of a provider's own words, shown to the caller
PROVIDER_ERROR_BODY_BYTES_MAX: Final = 65_536
PROVIDER_POOL_SECONDS: Final = 10.0  # how long a call waits for one of PROVIDER_CONNECTIONS_MAX
PROVIDER_DRAIN_SECONDS: Final = 0.1  # after the last event, for the end that lets the connection be used again
SANDBOX_TOKENS_MAX: Final = 400

# --- realtime -----------------------------------------------------------------------------------------------
FRAME_BYTES_MAX: Final = 65_536
PING_INTERVAL_SECONDS: Final = 25
PING_TIMEOUT_SECONDS: Final = 20
PING_LOST_GRACE_SECONDS: Final = 0.5  # for the close code of a lost ping to leave, should somebody be there after all
CONNECT_SECONDS: Final = 5.0  # a socket without a credential is closed after it
COMMANDS_AT_ONCE_MAX: Final = 16  # running commands of one connection
COMMAND_BURST: Final = 120  # a page that comes back resumes its answers, up to 32 of them, and reads its lists anew
COMMANDS_PER_SECOND: Final = 10.0
BAD_FRAMES_PER_MINUTE_MAX: Final = 10
CONNECTIONS_PER_USER_MAX: Final = 20
CONNECTIONS_PENDING_PER_ADDRESS_MAX: Final = 50
CONNECTIONS_MAX: Final = 15_000
UPGRADES_PER_ROUND: Final = 16  # sockets let in before the loop serves others; each takes about a millisecond
QUEUE_ITEMS_MAX: Final = 1_000
QUEUE_BYTES_MAX: Final = 1 << 20
WRITE_SECONDS_MAX: Final = 10.0  # a frame that does not leave within it marks the connection as too slow
WRITE_BYTES: Final = 16_384  # frames that wait are written this much at a time
WRITE_BYTES_PER_DEADLINE: Final = 65_536  # a larger frame has the time again for each of these
SOCKET_UNSENT_BYTES: Final = 32_768  # what the kernel may keep unsent; the rest stays where it can be merged
DELTA_CHARS_MAX: Final = 16_384  # text merged into one frame; more becomes the next frame
REPLY_BYTES_MAX: Final = 512 << 10  # a longer list is cut, and says that there is more
STREAMS_PER_CONNECTION_MAX: Final = 32
FRAGMENTS_PER_MESSAGE_MAX: Final = 128
FRAME_ID_CHARS_MAX: Final = 64
COMMANDS_WAITING_MAX: Final = 200  # beyond those that run; a page that was offline sends what it has
COMMANDS_WAITING_BYTES_MAX: Final = 256 << 10
NOTIFICATIONS_MARKED_AT_ONCE: Final = 200
CLOSING_STEPS: Final = 50  # a drained node closes its connections in so many portions
CHANNELS_PER_CONNECTION_MAX: Final = 32

# --- Redis --------------------------------------------------------------------------------------------------
BROKER_QUEUE_MAX: Final = 10_000  # publications that wait for Redis; beyond it the other nodes are told to read again
BROKER_QUEUE_BYTES_MAX: Final = 32 << 20
BROKER_BATCH_MAX: Final = 256  # commands of one write
PUBLICATION_BYTES_MAX: Final = 1 << 20  # a longer one is read from the database by who is told of it
BROKER_NODES_MAX: Final = 1_000  # other nodes of which the last word is remembered
BROKER_LATEST_MAX: Final = 50_000  # other nodes' channels of which the last publication is remembered
REDIS_CONNECT_SECONDS: Final = 2.0
REDIS_CHANNEL_TRIES: Final = 200_000  # names that are tried to find a channel of each shard; a slot is met in 16,384
REDIS_SILENCE_SECONDS: Final = 5.0  # without a word, its own heartbeat included, a connection is dead
REDIS_BEAT_SECONDS: Final = 0.5
REDIS_AWAY_SECONDS: Final = 1.0  # since the last heartbeat that came back; then the database is followed instead
REDIS_ECHO_SECONDS: Final = 0.03  # a publication to oneself that takes longer is delivered without Redis
REDIS_SUBSCRIBE_SECONDS: Final = 0.5  # a reader does not wait longer; it is told to read again once it is heard
REDIS_RETRY_SECONDS: Final = 0.1  # doubled up to the next line
REDIS_RETRY_SECONDS_MAX: Final = 2.0
REDIS_CLOSE_SECONDS: Final = 0.5  # for what still waits to be published
REDIS_ANSWER_SECONDS: Final = 1.0  # one pipeline beside the broker
REDIS_REST_SECONDS: Final = 0.5  # after one that failed nothing is tried for so long
REDIS_PIPELINES_AT_ONCE: Final = 4  # and so many connections: to open one costs more than a pipeline's wait
RESYNC_CHANNELS_AT_ONCE: Final = 200  # each of their readers reads the database
RESYNC_PAUSE_SECONDS: Final = 0.05
FOLLOW_LOOK_SECONDS: Final = 0.1  # between two looks at whether Redis is away
FOLLOW_LINGER_SECONDS: Final = 5.0  # longer than another node takes to find Redis again, its pauses included
WALLET_FOLLOW_RETRY_SECONDS_MAX: Final = 1.0  # from FOLLOW_RETRY_SECONDS; others' events are to come within two
RECOVERIES_AT_ONCE: Final = 16  # logins and channels being read for sockets: a part of the pool's connections
RECOVERY_RETRY_SECONDS_MAX: Final = 2.0  # from FOLLOW_RETRY_SECONDS, while the database is away

# --- streams of other nodes ---------------------------------------------------------------------------------
STREAM_LOG_SECONDS: Final = 0.025  # deltas of this time go to Redis in one entry of their stream
STREAM_LOGS_AT_ONCE: Final = 256  # streams of one write, and of one read
STREAM_LOG_ENTRIES_AT_ONCE: Final = 200  # of one stream in one read
STREAM_LOG_LIFE_SECONDS: Final = 960  # longer than any generation and its hold
STREAM_LOG_ENDED_SECONDS: Final = 60  # after the end, for who reads it still; later readers have the database
REMOTE_POLL_SECONDS: Final = 0.04  # between two looks into the logs of the streams that are followed here
REMOTE_CHECK_SECONDS: Final = 1.0  # between two looks at their messages: they tell of the end, and of all without Redis
REMOTE_CATCH_UP_SECONDS: Final = 1.0  # for a cursor that is ahead of the log: its reader was faster than Redis
REMOTE_LINGER_SECONDS: Final = 5.0  # a stream that nobody follows here any more is forgotten after it
REMOTE_STREAMS_MAX: Final = 5_000
REMOTE_MESSAGES_AT_ONCE: Final = 50  # read and taken over before the loop serves others
REMOTE_SECONDS_MAX: Final = 960  # then a stream that no node settled is given up here
FOLLOWED_SECONDS: Final = 5.0  # how often a node says that it follows another's stream

# --- live monitoring ----------------------------------------------------------------------------------------
METRIC_SAMPLE_SECONDS: Final = 1.0
METRIC_SAMPLES_MAX: Final = 3_600  # an hour; about 0.6 MB
METRIC_HISTORY_FRAME_BYTES: Final = 60_000  # the kept samples go in so many frames as this makes of them
DURATION_SECONDS_MIN: Final = 0.000_1  # what is measured is counted in steps from here
DURATION_SECONDS_MAX: Final = 600.0  # to here
DURATION_STEP: Final = 1.05  # each so many times as long as the one before: 320 of them
NODE_SILENT_SECONDS: Final = 2.0  # a node unheard for so long before a sample's own time is not in it
NODE_FIGURES_MAX: Final = 16  # kept of one node between two samples; they come once a second
ADMIN_EVENTS_SECONDS: Final = 0.25  # events of this time go together
ADMIN_EVENTS_AT_ONCE: Final = 100  # of them; more are only counted
ADMIN_EVENT_IDS_MAX: Final = 10  # a longer list in an event is left out
ADMIN_FILTERS_MAX: Final = 20  # types, and users, of one subscription
ADMIN_QUEUE_BYTES: Final = 65_536  # with more waiting on a connection, events are left out there

# --- shutdown -----------------------------------------------------------------------------------------------
MOVE_SECONDS: Final = 0.5  # within it every socket is told to move
MOVE_RECONNECT_MS_MAX: Final = 3_000  # each is told its own pause up to this, so that they do not return as one
DRAIN_STREAMS_SECONDS: Final = 10.0
DRAIN_SECONDS_MAX: Final = 13.0  # then connections are cut off; the rest of SHUTDOWN_SECONDS_MAX is for the services
SHUTDOWN_SECONDS_MAX: Final = 15.0
TASKS_GRACE_SECONDS: Final = 3.0
CANCEL_AGAIN_SECONDS: Final = 0.5  # within TASKS_GRACE_SECONDS
CLOSE_STEP_SECONDS: Final = 5.0
CLOSE_BREAK_SECONDS: Final = 1.0  # for jobs that are broken off then, to end; within CLOSE_STEP_SECONDS too
CLOSE_LEAST_SECONDS: Final = 0.5  # for jobs that the end of a stream has just ended, to write what they came to

# --- process ------------------------------------------------------------------------------------------------
PROCESSES_MAX: Final = 64
PORT_SECONDS_MAX: Final = 3.0  # wait for a port that the workers of a killed hub are about to leave
WORKER_START_SECONDS_MAX: Final = 120.0  # as the embedded database may take after a crash
WORKER_BEAT_SECONDS: Final = 2.0  # between two words of a worker's event loop to the supervisor
WORKER_SILENCE_SECONDS_MAX: Final = 15.0  # without a word a worker hangs, and is killed
WORKER_STOP_SECONDS_MAX: Final = 14.0  # then it is killed; the rest of SHUTDOWN_SECONDS_MAX is for the servers
WORKER_RESTART_SECONDS_MAX: Final = 10.0  # the longest pause before a dead worker is started again
WORKER_STEADY_SECONDS: Final = 60.0  # having run this long, its next end is a first one again
WORKER_WORD_BYTES_MAX: Final = 65_536  # of what a worker tells the supervisor
EXPOSITION_SECONDS: Final = 2.0  # between two writes of a worker's figures for its siblings
EXPOSITION_STALE_SECONDS: Final = 10.0  # figures this old are a dead worker's
EXPOSITION_BYTES_MAX: Final = 4 << 20  # of one worker
GC_ALLOCATIONS: Final = 4_000  # net, between rounds of the youngest; of 20,000 one took 0.2 s with 10,000 sockets
