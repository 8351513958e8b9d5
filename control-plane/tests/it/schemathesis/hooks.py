"""Lets more of the calls get behind what answers most of them alike."""

import itertools
import re

import schemathesis

number = itertools.count(1)
KEY = re.compile("[!-~]{1,240}")


@schemathesis.hook
def before_call(context, case, kwargs):
    count = next(number)
    # Signing in has a quota for each address.
    case.headers["X-Forwarded-For"] = f"10.{count >> 8 & 255}.{count & 255}.1"
    # A key that was used before is refused, and the same few are tried for every operation.
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{key}-{count}"
