"""The bounds of what came with the AI Assistant: two-factor sign-in, conversations, projects, insight, analysed documents,
integrations, gifts and the other ways of credits.

As `config/limits.py` has all others: a name, a unit, and why it is what it is.
"""

from typing import Final

# --- projects -----------------------------------------------------------------------------------------------
PROJECTS_PER_USER_MAX: Final = 100  # their counters are a part of the wallet, which each paid answer writes
PROJECTS_DELETED_MAX: Final = 20  # of one user, to be restored: the one deleted longest ago goes for good
PROJECT_NAME_CHARS_MAX: Final = 100
PROJECT_DESCRIPTION_CHARS_MAX: Final = 2_000

# --- two-factor sign-in -------------------------------------------------------------------------------------
TWO_FACTOR_SETUP_SECONDS: Final = 900  # between the QR code and the first code made from it
TWO_FACTOR_FRESH_SECONDS: Final = 600  # how old a login may be that stands for a password its user does not have
TWO_FACTOR_TICKET_SECONDS: Final = 300  # a sign-in by Google waits so long for the second factor
TWO_FACTOR_TRIES_PER_USER: Final = 10  # codes within TRIES_SECONDS by who has shown the first factor by other means
TWO_FACTOR_STEPS_AROUND: Final = 1  # of 30 seconds, before and after: clocks differ, and typing takes its time
TWO_FACTOR_CODE_CHARS_MAX: Final = 32  # six digits, or a recovery code with its hyphens
RECOVERY_CODES: Final = 10
RECOVERY_CODE_CHARS: Final = 12  # of 32 letters: 60 bits, kept as a keyed digest

# --- conversations ------------------------------------------------------------------------------------------
CONVERSATION_TITLE_CHARS_MAX: Final = 200
HISTORY_PAGE_BYTES_MAX: Final = 4 << 20  # of one answer's messages; one that is longer comes alone
HISTORY_MESSAGES_AT_ONCE: Final = 20  # read from the database before they are written
SEARCH_CHARS_MAX: Final = 100
SEARCH_CONVERSATIONS_MAX: Final = 500  # a search looks into those used last
SEARCH_CONVERSATIONS_AT_ONCE: Final = 50  # after one, two, four, ...: the last used come first, however long they are
SEARCH_SECONDS_MAX: Final = 1.0  # then it is cut, and its answer says so
CONVERSATION_GONE_SECONDS: Final = 60  # after its deletion, in which an answer that was just asked for may still begin
CONVERSATION_SWEEP_SECONDS: Final = 20.0  # between two looks for what is left of deleted ones
CONVERSATIONS_SWEPT_MAX: Final = 100  # in one round, the next ones in the next

# --- insight ------------------------------------------------------------------------------------------------
UPTIME_SLOT_SECONDS: Final = 10  # what the hub is known to have been up or down in: some five heartbeats
UPTIME_DAYS: Final = 30  # that the share is of
UPTIME_KEPT_DAYS: Final = 35
SYSTEM_STATS_SECONDS: Final = 10.0  # that a node shows the same figures of the whole hub
SUMMED_AT_ONCE: Final = 4  # hours, which the database adds up on as many of its processors
USAGE_SETTLED_SECONDS: Final = 3_600  # after which an answer's row is there: more than it and its hold may last
RANKING_DAYS: Final = 30  # that models are ranked by
RANKING_SECONDS: Final = 60.0  # that a node shows the same ranking
RATINGS_PER_MINUTE: Final = 30  # by one user, that change something: each is a transaction of its own
MODEL_DAYS_KEPT: Final = 40  # longer than they are ranked by: a vote may come after its answer's day

# --- document analyses --------------------------------------------------------------------------------------
ANALYSIS_UPLOAD_BYTES_MAX: Final = 20 << 20  # of the file
ANALYSIS_FORM_BYTES_MAX: Final = 64 << 10  # of what stands around it in a body: boundaries, headers, the other fields
ANALYSIS_FORM_FIELDS_MAX: Final = 8
ANALYSIS_FORM_VALUE_BYTES_MAX: Final = 64  # of a field that is no file
ANALYSIS_FILE_NAME_CHARS_MAX: Final = 200  # shown in lists; never a path
ANALYSIS_UPLOAD_SECONDS_MAX: Final = 120  # for a whole body to come in: 20 MiB at 1.4 Mbit/s
ANALYSIS_FETCHED_BYTES_MAX: Final = 5 << 20  # of a document behind an address, once it is unpacked
ANALYSIS_FETCH_SECONDS_MAX: Final = 15.0  # from the first name's look-up to the last byte, redirects included
ANALYSIS_REDIRECTS_MAX: Final = 3
ANALYSIS_CHILD_SECONDS_MAX: Final = 20  # of the processor, for a child process
ANALYSIS_CHILD_CLOCK_SECONDS_MAX: Final = 20  # by the clock: a busy machine may need another attempt
ANALYSIS_CHILD_BYTES_MAX: Final = 512 << 20  # of its memory
ANALYSIS_CHILD_FILES_MAX: Final = 64  # open at once: what Python itself needs to start
ANALYSIS_CHILD_FILE_BYTES_MAX: Final = 128 << 20  # of a temporary file, where it may have any: a sheet, not packed yet
ANALYSIS_CHILD_NICE: Final = 10  # the hub's event loop comes first
ANALYSIS_CHILD_TEXT_BYTES_MAX: Final = 4_096  # of what it says when it fails, for the log
ANALYSIS_RESULTS_BYTES_MAX: Final = 16 << 20  # of results as JSON
ANALYSIS_EXPORT_BYTES_MAX: Final = 32 << 20  # of a workbook, or of what is sent to Google Sheets
ANALYSIS_PART_BYTES: Final = 1 << 20  # documents and results are kept in parts of this size, packed
ANALYSIS_PARTS_MAX: Final = 64  # of one of them
ANALYSES_AT_ONCE: Final = 2  # of one process
ANALYSIS_POLL_SECONDS: Final = 1.0  # for what another process queued, and for what a dead one left
ANALYSIS_LEASE_SECONDS: Final = 60  # of a claim, which its process renews
ANALYSIS_RENEW_SECONDS: Final = 2.0  # between two renewals, by which an attempt learns that its analysis was removed
ANALYSIS_ATTEMPTS_MAX: Final = 3  # a document that ends the hub itself does so no more often
ANALYSIS_CLOSE_SECONDS: Final = 1.0  # for what is under way while the hub ends; another process takes it up
ANALYSES_RUNNING_PER_USER_MAX: Final = 5
ANALYSES_PER_USER_MAX: Final = 100
ANALYSIS_DAYS: Final = 30  # then an analysis goes
ANALYSIS_EXPECTED_SECONDS: Final = 30  # told at the start: a slow address and a large document
ANALYSIS_SWEEP_SECONDS: Final = 20.0  # between two looks for parts that belong to nothing
ANALYSIS_PART_ALONE_SECONDS: Final = 30  # parts stand before their analysis does, or its results are told
EXPORTS_AT_ONCE: Final = 2  # of one process, to files; and as many into spreadsheets
EXPORTS_WAITING_MAX: Final = 20
EXPORT_SECONDS_MAX: Final = 300.0  # of one into a spreadsheet: the child, and all calls to Google
ANSWERS_BYTES_MAX: Final = 128 << 20  # of results and workbooks that a process is sending, all users together
ANSWERS_USER_BYTES_MAX: Final = 48 << 20  # of one user: a workbook and an analysis of the largest size
ANSWER_PIECE_BYTES: Final = 1 << 19  # of an answer; who does not take one within `WRITE_SECONDS_MAX` is cut off
SPREADSHEET_NAME_CHARS_MAX: Final = 200
SHEET_CELL_CHARS_MAX: Final = 50_000  # what Google Sheets takes
SHEET_CELLS_AT_ONCE: Final = 20_000  # of one call
SHEET_CALL_BYTES: Final = 1 << 20  # of one call, about: a row may exceed it

# --- what an analysis takes from a document; what is beyond is left out, and the results say so --------------
ANALYSIS_DEPTH_MAX: Final = 200  # of values in values; a deeper document is refused
ANALYSIS_VALUES_MAX: Final = 3_000_000  # of a document, each alias of YAML written out; a larger one is refused
ANALYSIS_INTEGER_DIGITS_MAX: Final = 300  # a longer number is refused: it takes the square of its length to read
ANALYSIS_REFERENCE_HOPS_MAX: Final = 32  # references that lead to references
ANALYSIS_SCHEMA_DEPTH_MAX: Final = 12  # of schemas in schemas that are looked into for arrays and fields
ANALYSIS_SCHEMA_VISITS_MAX: Final = 500  # schemas that are looked into for one request
ANALYSIS_TYPE_DEPTH_MAX: Final = 4  # of a type in words: an array of arrays of ...
ANALYSIS_ALTERNATIVES_MAX: Final = 5  # that a type in words names
ANALYSIS_ENDPOINTS_MAX: Final = 5_000
ANALYSIS_SCHEMAS_MAX: Final = 5_000
ANALYSIS_FIELDS_MAX: Final = 200  # of one schema
ANALYSIS_PARAMETERS_MAX: Final = 100  # of one endpoint
ANALYSIS_RESPONSES_MAX: Final = 50  # of one endpoint
ANALYSIS_MEDIA_TYPES_MAX: Final = 10  # of one body
ANALYSIS_NAMES_MAX: Final = 50  # tags or ways to sign in of one endpoint; servers, or ways to sign in, of a document
ANALYSIS_TAGS_MAX: Final = 1_000  # that endpoints are counted by
ANALYSIS_ROWS_MAX: Final = 100_000  # parameters, responses, bodies and fields together
ANALYSIS_ISSUES_MAX: Final = 10_000  # that are listed; all are counted
ANALYSIS_NOTICES_MAX: Final = 50  # of one kind
ANALYSIS_NAME_CHARS_MAX: Final = 500  # names, types, paths and addresses
ANALYSIS_SUMMARY_CHARS_MAX: Final = 300
ANALYSIS_DESCRIPTION_CHARS_MAX: Final = 2_000
ANALYSIS_EXAMPLE_CHARS_MAX: Final = 4_000
ANALYSIS_TEXT_BYTES_MAX: Final = 6 << 20  # of all texts together
ANALYSIS_CELL_CHARS_MAX: Final = 32_767  # of a workbook's cell, as Excel counts them: UTF-16 units

# --- integrations -------------------------------------------------------------------------------------------
INTEGRATION_CODE_CHARS_MAX: Final = 2_048
INTEGRATION_CALL_SECONDS_MAX: Final = 30.0  # one call to the outside company
INTEGRATION_ANSWER_BYTES_MAX: Final = 1 << 20  # of one answer
INTEGRATION_TOKEN_MARGIN_SECONDS: Final = 60  # a token this near its end is renewed first
INTEGRATION_CONNECTIONS_MAX: Final = 20
INTEGRATION_RETRY_SECONDS: Final = 30.0  # told where the outside company names no pause
INTEGRATION_SAID_CHARS_MAX: Final = 300  # of its own words, in what is told and logged

# --- credits ------------------------------------------------------------------------------------------------
CHECKOUT_SECONDS: Final = 86_340  # of a checkout page; Stripe allows a day at most, and its clock is not ours
CHECKOUTS_OPEN_MAX: Final = 20  # of one user: each is looked after until it is paid or ends; one more ends the oldest
CHECKOUT_PENDING_SECONDS: Final = 300.0  # before it is looked after: its payer types, and webhook or return tell first
CHECKOUT_LOOKS_MAX: Final = 20  # that a page's reloads have us ask the company; the sweep asks by itself
CHECKOUT_FORM_BYTES_MAX: Final = 4_096
RETURN_URL_CHARS_MAX: Final = 2_048
RECHARGES_AT_ONCE: Final = 4  # of one process
RECHARGES_ASKED_AT_ONCE: Final = 1_000  # users of one process whose balance has just fallen; the sweep finds others
RECHARGES_RESTING_MAX: Final = (
    10_000  # users whose rule a process knows to rest, so that it does not ask at each commit
)
RECHARGE_RESTING_SECONDS: Final = 60  # that it trusts this: another process may have had the rule changed
RECHARGES_PER_DAY_MAX: Final = 5  # of one user, by UTC: a loop gone wild must not drain a card
RECHARGE_BACK_OFF_SECONDS: Final = (3_600, 14_400, 86_400)  # after each decline; after one more it is switched off
RECHARGE_RETRY_SECONDS: Final = 60  # while it is not known whether a charge was made, or the company is away; doubled
RECHARGE_RETRY_SECONDS_MAX: Final = 960
RECHARGE_LEASE_SECONDS: Final = 180  # longer than an attempt: five calls to the payments company, and ten writes
RECHARGE_POLL_SECONDS: Final = 5.0  # for what another process asked for, and for what is due again
RECHARGE_CLOSE_SECONDS: Final = 3.0  # for what is being charged while the hub ends
RECHARGE_SWEEP_SECONDS: Final = 30.0  # between two looks for wallets whose fall nobody noted
RECHARGE_SWEEP_MAX: Final = 200  # rules looked at in one round, the next ones in the next
GIFT_MICRO_PER_DAY_MAX: Final = 10**9  # a thousand credits by one user in a day of UTC
GIFT_MICRO_MIN: Final = 10**6  # a credit: what carries a text to a stranger costs something
GIFTS_PER_DAY_MAX: Final = 50  # by one user
GIFT_MESSAGE_CHARS_MAX: Final = 500
