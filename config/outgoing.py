"""The bounds of what leaves the hub: mail, webhooks, browser push, and all calls to addresses that others gave us.

As `config/limits.py` has all others: a name, a unit, and why it is what it is.
"""

from typing import Final

# --- mail ---------------------------------------------------------------------------------------------------
MAILS_AT_ONCE: Final = 4
MAIL_SECONDS_MAX: Final = 30.0  # one attempt, from the connection to the server's last word
MAIL_LEASE_SECONDS: Final = 90  # after it another process may try: longer than an attempt
MAIL_RETRY_SECONDS: Final = (5, 30, 120, 600, 1_800)  # after the last of these a mail is given up
MAIL_LIFE_SECONDS: Final = 86_400
MAIL_POLL_SECONDS: Final = 5.0  # for mails that another process asked for, and for those that are due again
SUBJECT_CHARS_MAX: Final = 200
OUTBOX_FILES_MAX: Final = 200  # the oldest are removed

# --- notifications that leave the hub -----------------------------------------------------------------------
NOTICE_GATHER_SECONDS: Final = {"email": 10.0, "push": 0.0}  # by medium: what a burst has to become one telling
NOTICE_PAUSE_SECONDS: Final = {
    "email": 900.0,
    "push": 10.0,
}  # of one user, after which what came meanwhile goes together
NOTICE_JOBS_AT_ONCE: Final = 4  # of one medium
NOTICE_TELL_SECONDS_MAX: Final = 30.0  # one attempt
NOTICE_LEASE_SECONDS: Final = 90  # after it another process may try: longer than an attempt and its reads
NOTICE_RETRY_SECONDS: Final = (
    10,
    60,
    300,
    1_800,
    7_200,
    21_600,
)  # more or less; after the last of these it is given up
NOTICE_JITTER: Final = 0.2  # part of such a pause that is chance
NOTICE_RETRY_AFTER_SECONDS_MAX: Final = 21_600.0  # however long the other side asks for
NOTICE_POLL_SECONDS: Final = 1.0  # between two looks of a process, for each medium
NOTICE_CLOSE_SECONDS: Final = 1.0  # for what is being told while the hub ends
NOTICES_PER_ROUND_MAX: Final = 200  # told of at once; more go after the pause
NOTICES_PER_LETTER_MAX: Final = 20  # shown in one letter, the newest; it says how many more there are

# --- calls to addresses that others gave us ------------------------------------------------------------------
OUTBOUND_SECONDS_MAX: Final = 15.0  # from the name's look-up to the answer's end
OUTBOUND_NAME_SECONDS_MAX: Final = 3.0  # for a name server's answer
OUTBOUND_CONNECT_SECONDS_MAX: Final = 5.0  # for each of a name's addresses
OUTBOUND_BODY_SECONDS_MAX: Final = 2.0  # for the body once the status is there, where only its beginning is wanted
OUTBOUND_BODY_BYTES_MAX: Final = 65_536  # of an answer; a workflow's request that has a longer one fails
OUTBOUND_TEXT_CHARS_MAX: Final = 500  # of it, shown to the address's owner
OUTBOUND_HEADERS_MAX: Final = 50  # of an answer, shown to the address's owner
OUTBOUND_HEADER_CHARS_MAX: Final = 1_000
OUTBOUND_REDIRECTS_MAX: Final = 3  # of one request of a workflow; whatever else is called is not followed at all
OUTBOUND_CONNECTIONS_MAX: Final = 500  # more than webhooks and pushes at once
OUTBOUND_PER_HOST_MAX: Final = 32

# --- webhooks -----------------------------------------------------------------------------------------------
WEBHOOK_RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)  # then it is given up
WEBHOOK_RETRY_JITTER: Final = 0.2  # of a pause, more or less
WEBHOOK_RETRY_AFTER_SECONDS_MAX: Final = 86_400  # however long the receiver asks for
WEBHOOK_FAILING_DAYS_MAX: Final = 5  # then an endpoint is switched off
WEBHOOK_OLD_SECRET_SECONDS: Final = 86_400  # that a secret is good for beside the one that replaced it
WEBHOOK_OLD_SECRETS_MAX: Final = 4  # of one endpoint: who rotates more often ends the oldest
WEBHOOK_WAITING_MAX: Final = 50_000  # deliveries of one endpoint; what happens beyond is not queued, and counted
WEBHOOK_ANSWER_CHARS_MAX: Final = 32_768  # of a model's answer in one payload, of all its choices together
WEBHOOK_CALLS_BYTES_MAX: Final = 16_384  # of a choice's tool calls there, as JSON
WEBHOOKS_AT_ONCE: Final = 300  # endpoints that one process sends to
WEBHOOKS_OF_OWNER_AT_ONCE: Final = 30  # of one user: whoever has a hundred that hang keeps no others waiting
WEBHOOK_TURN_DELIVERIES: Final = 100  # read and noted together
WEBHOOK_TURN_SECONDS: Final = 2.0  # of one portion before it is noted, and of a turn when others wait for theirs
WEBHOOK_LINGER_SECONDS: Final = 1.0  # at the end of a turn, for more
WEBHOOK_CHECK_SECONDS: Final = 1.0  # between two looks at whether an endpoint is to hear still
WEBHOOK_LEASE_SECONDS: Final = 30  # longer than a portion with its last attempt, and the look after it
WEBHOOK_CLOSE_SECONDS: Final = 3.0  # at the end, for attempts that are under way
WEBHOOK_POLL_SECONDS: Final = 1.0  # for what another process queued, and for what is due again
WEBHOOK_REPLAY_MAX: Final = 10_000  # events of one request
WEBHOOKS_TRIED_PER_OWNER: Final = (
    100  # tests and deliveries sent again within TRIES_SECONDS: each calls somebody at once
)
RECEIVED_WEBHOOK_SECONDS: Final = 3_600  # that an id is remembered: longer than a signature is good for
DELIVERY_DAYS: Final = 14  # longer than an event is tried
DELIVERY_ATTEMPTS_KEPT: Final = 20
ATTEMPTS_NOTED_AT_ONCE: Final = 500  # in one write
WEBHOOKS_TRIED_AT_ONCE: Final = 50  # by their owners, beside the queues
WEBHOOK_GONE_SECONDS: Final = 60  # until one that answered 410 would be tried again, should it not be off by then
FAN_OUT_EVENTS: Final = 200  # of one transaction
FAN_OUT_DELIVERIES: Final = 2_000  # of one transaction; one event may have more, having a hundred endpoints
FAN_OUT_BYTES_MAX: Final = 4 << 20  # of them; the last event may exceed it
DELIVERY_BYTES: Final = 700  # of one beside its payload
FAN_OUT_GATHER_SECONDS: Final = 0.01  # for more to come
FAN_OUT_POLL_SECONDS: Final = 1.0  # for what another process committed, and left
HUB_LISTENS_SECONDS: Final = 5.0  # between two looks at the hub's own webhooks, for a change whose signal was lost
ADMINISTRATORS_TOLD_MAX: Final = 20  # of what concerns the hub's own webhooks

# --- browser push -------------------------------------------------------------------------------------------
PUSH_SUBSCRIPTIONS_MAX: Final = 20  # of one user: the one that was renewed longest ago makes room
PUSH_NOTES_MAX: Final = 3  # at once to one browser; more are told together
PUSH_PAYLOAD_BYTES_MAX: Final = 3_072  # push services take 4,096, encrypted
PUSH_TITLE_CHARS_MAX: Final = 120
PUSH_BODY_CHARS_MAX: Final = 500
PUSH_LIFE_SECONDS: Final = 86_400  # a push service keeps it so long for a browser that is not running
PUSH_TOLD_REMEMBERED: Final = (
    200  # as many as are told at once: notifications of one browser, while another one has yet to be told
)
PUSH_SECONDS_MAX: Final = 20.0  # for one browser, all its pushes of one attempt: less than NOTICE_TELL_SECONDS_MAX
PUSH_ORIGINS_MAX: Final = 200  # push services whose signed token is kept
PUSH_TOKEN_SECONDS: Final = 43_200  # of its life; RFC 8292 allows a day
PUSH_TOKEN_RENEWED_SECONDS: Final = 21_600
USER_AGENT_CHARS_MAX: Final = 300  # kept of a browser's own name
