"""How far `hub/tokens.py` is off: its count against OpenAI's own tables, over real texts found on this machine.

    python -m bench.token_error            prints the table of docs/tokens.md

Texts are the interpreter's licence, its own source and docstrings, a JSON document, and paragraphs written for this in
several scripts. A positive error is an overcount.
"""

import gc
import inspect
import json
import os
import resource
import sys
import time
from pathlib import Path

from rs_bpe import bpe

from hub import tokens

WRITTEN = {
    "German": (
        "Ein Gespräch wird aus einem Guthaben bezahlt, das nie unter null fällt. Bricht die Verbindung "
        "ab, so läuft die Antwort weiter und kann später an genau derselben Stelle wieder aufgenommen "
        "werden; nichts wird doppelt berechnet."
    ),
    "French": (
        "Chaque réponse est payée par un portefeuille dont le solde ne devient jamais négatif. Si la "
        "connexion est coupée, la réponse continue et l'on peut la reprendre plus tard exactement au "
        "même endroit, sans rien payer deux fois."
    ),
    "Spanish": (
        "Cada respuesta se paga con un monedero cuyo saldo nunca llega a ser negativo. Si se corta la "
        "conexión, la respuesta continúa y puede retomarse más tarde en el mismo punto; nada se cobra "
        "dos veces."
    ),
    "Russian": (
        "Каждый ответ оплачивается из кошелька, баланс которого никогда не становится отрицательным. "
        "Если соединение прервётся, ответ продолжится, и позже его можно будет получить с того же "
        "места; ничего не списывается дважды."
    ),
    "Greek": (
        "Κάθε απάντηση πληρώνεται από ένα πορτοφόλι που δεν γίνεται ποτέ αρνητικό. Αν κοπεί η σύνδεση, "
        "η απάντηση συνεχίζεται και μπορεί να ληφθεί αργότερα από το ίδιο σημείο."
    ),
    "Arabic": (
        "تُدفع كل إجابة من محفظة لا يصبح رصيدها سالبًا أبدًا. وإذا انقطع الاتصال تستمر الإجابة ويمكن "
        "استئنافها لاحقًا من الموضع نفسه، ولا يُحسب شيء مرتين."
    ),
    "Hindi": (
        "हर उत्तर का भुगतान एक ऐसे बटुए से होता है जिसका शेष कभी ऋणात्मक नहीं होता। यदि संपर्क टूट जाए "
        "तो उत्तर चलता रहता है और बाद में उसी स्थान से लिया जा सकता है।"
    ),
    "Chinese": (
        "每个回答都由钱包支付,余额永远不会变成负数。如果连接中断,回答会继续生成,之后可以从同一位置恢复,"
        "任何内容都不会重复收费。"
    ),
    "Japanese": (
        "回答の料金は財布から支払われ、残高がマイナスになることはありません。接続が切れても回答は続き、"
        "後で同じ位置から再開でき、二重に請求されることはありません。"
    ),
    "Korean": (
        "모든 답변은 지갑에서 지불되며 잔액은 절대로 음수가 되지 않습니다. 연결이 끊겨도 답변은 "
        "계속되고 나중에 같은 위치에서 다시 이어 받을 수 있으며 두 번 청구되지 않습니다."
    ),
    "Emoji": (
        "Done ✅ shipped 🚀🚀 thanks 🙏 see you 👋🏽 great work 🎉👏 on the 🔥 launch 👩‍💻 family 👨‍👩‍👧 flags 🇩🇪🇯🇵"
    ),
}


def texts() -> dict[str, str]:
    found = {
        "English (licence)": (Path(__file__).parents[1] / "LICENSE").read_text(),
        "English (docstrings)": "\n".join(filter(None, (inspect.getdoc(module) for module in sys.modules.values()))),
        "Python source": inspect.getsource(json.decoder),
        "JSON": json.dumps(
            {str(number): {"id": number, "price": number / 7, "tags": ["a", "b"]} for number in range(200)}
        ),
    }
    return found | WRITTEN


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def error(count: int, true: int) -> str:
    return f"{100 * (count - true) / true:+.0f} %"


def cost() -> None:
    gc.collect()
    before_mb, started = memory_mb(), time.perf_counter()
    tokens.count_text("cl100k_base", "load")
    print(f"cl100k_base: loaded in {(time.perf_counter() - started) * 1e3:.0f} ms, {memory_mb() - before_mb:.0f} MB")
    rounds = 200_000
    started = time.perf_counter()
    for _ in range(rounds):
        tokens.count_text("cl100k_base", " word")
    print(f"a delta of one word: {(time.perf_counter() - started) / rounds * 1e6:.2f} us")
    for letter in ("a", " ", "漢", "😀"):
        started = time.perf_counter()
        tokens.count_text("cl100k_base", letter * 1_000_000)
        print(f"a million times {letter!r}: {(time.perf_counter() - started) * 1e3:.0f} ms")


def table() -> None:
    cl100k, o200k = bpe.openai.cl100k_base(), bpe.openai.o200k_base()
    print("\n| text | bytes | cl100k_base | o200k_base | cl100k for o200k | bytes/4 for cl100k | bytes/4 for o200k |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, text in texts().items():
        own, newer = cl100k.count(text), o200k.count(text)
        as_newer, as_bytes = tokens.count_text("o200k_base", text), tokens.count_text(None, text)
        assert tokens.count_text("cl100k_base", text) == own or len(text) > tokens.PIECE_CHARS
        errors = " | ".join((error(as_newer, newer), error(as_bytes, own), error(as_bytes, newer)))
        print(f"| {name} | {len(text.encode())} | {own} | {newer} | {errors} |")


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    cost()
    table()
