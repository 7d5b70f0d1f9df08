"""The document analyser: what an API's description says, and what it leaves open to attackers.

    child.py --> analysis.py --> detect.py, reading.py, openapi.py, swagger2.py, postman.py, markdown.py
                             --> rules.py, statistics.py
    sheets.py --> xlsx.py, Google Sheets

Documents are strangers' text: they are only ever read in a child process, with limits on its memory and its time.
"""
