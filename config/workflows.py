"""The bounds of workflows: their definitions, their templates, their schedules, and their executions.

As `config/limits.py` has all others: a name, a unit, and why it is what it is.
"""

from typing import Final

# --- definitions --------------------------------------------------------------------------------------------
DEFINITION_BYTES_MAX: Final = 256 << 10  # as JSON: a quarter of what a body may have
DEFINITION_PATHS_MAX: Final = 2_000  # in all its templates: each is parsed, and looked up among the nodes
NODES_MAX: Final = 50  # those inside a `for_each` included
EDGES_MAX: Final = 200
EDGES_OUT_MAX: Final = 20  # of one node, and of the trigger: as many as run side by side
NODE_ID_CHARS_MAX: Final = 64
TYPE_CHARS_MAX: Final = 50  # of the name of a type: of a node, of a trigger
VALUES_DEPTH_MAX: Final = 8  # objects and lists within each other, in what a node sends or sets
VALUES_MAX: Final = 1_000  # in it, its keys not counted
RETRY_ATTEMPTS_MAX: Final = 5  # the first one included
RETRY_BACKOFF_SECONDS_MAX: Final = 300.0  # before the second attempt; each further pause is twice as long
RETRY_PAUSE_SECONDS_MAX: Final = 3_600.0  # however often that was doubled
PROMPT_CHARS_MAX: Final = 65_536
TEXT_CHARS_MAX: Final = 65_536  # of a mail's body, and of other texts that have no bound of their own
LABEL_CHARS_MAX: Final = 200  # of a name at another company: a sheet's range, a chat, who is to approve
TELEGRAM_TEXT_CHARS_MAX: Final = 4_096  # as the Bot API takes it
SHEET_ROWS_MAX: Final = 500  # written down in a definition
HEADERS_MAX: Final = 20
HEADER_CHARS_MAX: Final = 2_048
TEMPERATURE_MAX: Final = 2.0
DELAY_SECONDS_MAX: Final = 30 * 86_400.0
APPROVAL_SECONDS_MAX: Final = 30 * 86_400
APPROVAL_SECONDS: Final = 7 * 86_400  # that an approval is waited for, where its node says nothing
ITEMS_MAX: Final = 20  # of one `for_each`
ITEM_NODES_MAX: Final = 5  # that it does for each of them, one after the other
UI_BYTES_MAX: Final = 4_096  # as JSON, of what a builder notes at a node, an edge, the trigger, or of the whole
UI_DEPTH_MAX: Final = 8  # objects and lists within each other, in it
POSITION_MAX: Final = 1e9  # on a builder's canvas, either way

# --- templates ----------------------------------------------------------------------------------------------
TEMPLATE_CHARS_MAX: Final = 65_536
TEMPLATE_OUTPUT_BYTES_MAX: Final = 65_536  # UTF-8, of all that one node's templates become
TEMPLATE_PATHS_MAX: Final = 200  # in all texts of one node: what comes to nothing takes its time too
PATH_CHARS_MAX: Final = 200
PATH_STEPS_MAX: Final = 16  # names and positions of one path
POSITION_DIGITS_MAX: Final = 6

# --- schedules ----------------------------------------------------------------------------------------------
CRON_CHARS_MAX: Final = 100
CRON_YEARS_MAX: Final = 8  # to the next time: from one 29 February to another, over a year that is no leap year
CRON_GAPS_PASSED_MAX: Final = 4  # times that a clock leaves out, in search of the next: no two come in one year

# --- executions ---------------------------------------------------------------------------------------------
STEPS_MAX: Final = 50  # of one execution, each item's included; however often one is tried
STEPS_AT_ONCE: Final = 20  # of one execution
HOPS_MAX: Final = 3  # workflows that set each other off by their own addresses
HOPS_DIGITS_MAX: Final = 3  # of the header that tells how many they were
EXECUTIONS_RUNNING_MAX: Final = 200  # of one user: those that wait for an answer for days included
EXECUTIONS_RETRY_SECONDS: Final = 60.0  # after which whoever has so many is told to try again
EXECUTIONS_AT_ONCE: Final = 50  # that one process works on
EXECUTIONS_OF_USER_AT_ONCE: Final = 10  # of them, of one user: whoever has hundreds keeps no others waiting
ACTIVE_SECONDS_MAX: Final = 120.0  # of one execution; the time that it waits is not counted
EXECUTION_LEASE_SECONDS: Final = 30
EXECUTION_SURE_SECONDS: Final = 20.0  # of them: what fails because the database is away is tried again meanwhile
EXECUTION_INSIST_SECONDS: Final = 0.25  # between two such tries
EXECUTION_CHECK_SECONDS: Final = 1.0  # between two looks at whether it is still ours, and wanted
EXECUTION_POLL_SECONDS: Final = 1.0  # for what another process began, and for what is due again
EXECUTION_AGAIN_SECONDS: Final = 2.0  # after a turn that could not write
EXECUTION_BROKEN_MAX: Final = 5  # turns that broke as none should; then it has failed
EXECUTION_BROKEN_SECONDS: Final = 30.0  # between them
EXECUTION_CLOSE_SECONDS: Final = 3.0  # at the end, for steps that are under way
EXECUTION_BREAK_SECONDS: Final = 5.0  # for steps that are cancelled, to end
ANSWERS_END_SECONDS: Final = 2.0  # at an execution's end, for answers that are stopped, to be settled
ANSWERS_LOOK_SECONDS: Final = 0.05  # between two looks at whether they are
EXECUTION_DAYS: Final = 30  # that one is kept, once it has ended
LOGS_MAX: Final = 500  # of one execution: of more the last
LOG_CHARS_MAX: Final = 500
PAYLOAD_BYTES_MAX: Final = 256 << 10  # as JSON: a quarter of what a body may have
TEST_PROMPT_CHARS_SHOWN: Final = 500  # of what a model would have been asked, by a step in test mode
OUTPUT_BYTES_MAX: Final = 128 << 10  # of one step, as JSON
OUTPUT_DEPTH_MAX: Final = 64  # objects and lists within each other, in it: the database takes a hundred
OUTPUTS_BYTES_MAX: Final = 1 << 20  # of all steps of one execution: they are one document, and read as a whole
RESULT_EVENT_BYTES_MAX: Final = 16_384  # of a result that webhooks carry; a larger one is there to be asked for
SPEND_CAP_MICRO: Final = 100_000_000  # of one execution, in micro-credits, where its workflow says nothing
SPEND_CAP_MICRO_MAX: Final = 10_000_000_000
NOTICE_CHARS_MAX: Final = 1_000  # of what a notification says of an approval
PUT_OFF_SECONDS: Final = 2.0  # where a step cannot begin just yet
PUT_OFF_TIMES_MAX: Final = 300  # ten minutes of that; then it fails

# --- workflows ----------------------------------------------------------------------------------------------
WORKFLOWS_PER_USER_MAX: Final = 200
SCHEDULES_PER_USER_MAX: Final = 20
NAME_CHARS_MAX: Final = 200
DESCRIPTION_CHARS_MAX: Final = 2_000
COMMENT_CHARS_MAX: Final = 2_000  # of whoever approves or refuses
TRIGGERED_PER_MINUTE_MAX: Final = 120  # executions of one workflow that its webhook or a chat begins
WEBHOOK_MISSES_PER_ADDRESS: Final = 100  # within TRIES_SECONDS, of webhooks that are nobody's
REPLAYED_MAX: Final = 100  # events of one request, each of which begins an execution
WEBHOOK_ID_CHARS_MAX: Final = 256
FORM_FIELDS_MAX: Final = 500  # Tornado itself refuses a thousand
SCHEDULES_AT_ONCE: Final = 4  # of one process
SCHEDULE_LEASE_SECONDS: Final = 30  # longer than beginning an execution takes
SCHEDULE_POLL_SECONDS: Final = 1.0
SCHEDULE_CLOSE_SECONDS: Final = 1.0

# --- letters ------------------------------------------------------------------------------------------------
LETTERS_PER_DAY_MAX: Final = 200  # of one user, by the UTC day: nobody is to send masses by our name
LETTERS_UNCONFIRMED_PER_DAY_MAX: Final = 10  # of one whose address is not confirmed: whoever signs up has one
LETTERS_AT_ONCE: Final = 4
LETTER_POLL_SECONDS: Final = 1.0
LETTER_LEASE_SECONDS: Final = 60  # longer than one attempt takes
LETTER_NOTE_SECONDS: Final = 1.0  # between two tries to note that one went
LETTER_NOTE_SECONDS_MAX: Final = 600.0  # of such tries, while the database is away
LETTERS_KNOWN_SENT: Final = 1_000  # the last ones of one process, none of which it sends again
LETTER_CLOSE_SECONDS: Final = 3.0
LETTER_RETRY_SECONDS: Final = (5.0, 60.0, 300.0, 1_800.0, 7_200.0)  # pauses between attempts
LETTER_DAYS: Final = 3  # that one is remembered
