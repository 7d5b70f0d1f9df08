"""The document's own lines (Webhook Security), then what reads a delivery from standard input."""

import hashlib
import hmac
import json
import sys


def verify_webhook(payload, signature, secret):
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, f"sha256={expected}")


given = json.load(sys.stdin)
rest = json.loads(given["payload"])
signature = rest.pop("signature", None)
answers = [verify_webhook(given["payload"], given["header"], given["secret"])]
if signature is not None:
    text = json.dumps(rest, separators=(",", ":"), ensure_ascii=False)
    answers.append(verify_webhook(text, signature, given["secret"]))
sys.stdout.write(json.dumps(answers))
