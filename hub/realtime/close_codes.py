"""Why the hub closes a connection: the whole list, and what a client should do.

4000-4499: reconnect, with a growing and jittered pause. 4500-4999: do not, the same attempt would end the same way.
A page whose origin may not use the cookie gets no code: its upgrade is answered by 403.
"""

from typing import Final

SHUTTING_DOWN: Final = 4001  # this node stops; another takes the connection
TOO_SLOW: Final = 4002  # more was waiting than a connection may hold, or a frame did not leave in time
PING_LOST: Final = 4003  # no pong came back
TOKEN_EXPIRED: Final = 4004  # the access token ran out: reconnect with a new one, or send `refresh` in time
STATE_LOST: Final = 4005  # events can no longer be delivered in order: reconnect, and `recovered` tells what is missing
PERMISSIONS_CHANGED: Final = (
    4006  # the key may hear more or less of its user's account than when it connected: reconnect
)
TOO_MANY_MESSAGES: Final = 4029  # more commands than the limit allows

NOT_AUTHENTICATED: Final = 4501  # no valid credential within the first seconds
CREDENTIAL_REVOKED: Final = 4502  # logged out, key revoked, user suspended
TOO_MANY_CONNECTIONS: Final = 4504  # this user, this address or this node has enough
NOT_A_FRAME: Final = 4505  # what came was not JSON text, again and again
NOT_ADMINISTRATOR: Final = 4506  # `/ws/admin` is for administrators, or its user is none any more

# The sentence that goes with each, as the close frame's reason: at most 123 bytes.
REASONS: Final = {
    SHUTTING_DOWN: "shutting down, reconnect",
    TOO_SLOW: "too slow, reconnect and recover",
    PING_LOST: "no pong came back",
    TOKEN_EXPIRED: "the access token expired, reconnect with a new one",
    STATE_LOST: "the hub lost track of this connection, reconnect and recover",
    PERMISSIONS_CHANGED: "the key has other permissions now, reconnect",
    TOO_MANY_MESSAGES: "too many messages",
    NOT_AUTHENTICATED: "no valid credential in time",
    CREDENTIAL_REVOKED: "the credential was revoked",
    TOO_MANY_CONNECTIONS: "too many connections",
    NOT_A_FRAME: "too many frames that are not JSON text",
    NOT_ADMINISTRATOR: "only administrators may be here",
}
