"""What the peers in Python have in common: requests to the server of a test, whose certificate nobody signed, and lines of JSON."""

import json
import ssl
import threading
import urllib.error
import urllib.request

_context = ssl.create_default_context()
_context.check_hostname = False
_context.verify_mode = ssl.CERT_NONE


def request(method, address, body="", content_type=None, etag=None):
    """Answers status, headers and text."""
    headers = {}
    if content_type is not None:
        headers["Content-Type"] = content_type
    if etag is not None:
        headers["If-Match"] = etag
    made = urllib.request.Request(address, body.encode() or None, headers, method=method)
    try:
        with urllib.request.urlopen(made, context=_context, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


_speaking = threading.Lock()


def say(event, **what):
    # threads speak: a line is one piece
    with _speaking:
        print(json.dumps({"event": event, **what}), flush=True)
