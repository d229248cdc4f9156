"""What a VNN-LIB text consists of: one regular expression for both dialects, and numbers read exactly.

A comparison of two atoms, alone or as a whole assertion, is one token: files of pictures hold hundreds of thousands of
them, and a file of a data base millions. All quantifiers are possessive, so hostile text is read in linear time.
"""

import re
from decimal import Decimal

RELATION = r"(?:<=|>=|==|!=|<|>|=)"
ATOM = r"[^\s()\"\[\]]++(?:\s*+\[[^()\"\[\]]*+\])?+"  # a word, with its brackets: X_3, 0.5, X[0,3], real [1,4]
TOKEN = re.compile(
    rf"""\(\s*+assert\s*+\(\s*+({RELATION})\s++({ATOM})\s++({ATOM})\s*+\)\s*+\)
      | (\(\s*+{RELATION}\s++{ATOM}\s++{ATOM}\s*+\))
      | \(\s*+declare-const\s++({ATOM})\s++Real\s*+\)
      | \(\s*+([^\s()"\[\]]*+)
      | (\))
      | ("[^"\n]*+")
      | ({ATOM})
      | (\S)""",
    re.VERBOSE | re.ASCII,
)
ASSERTION, COMPARISON, CONSTANT, OPEN, CLOSE, STRING, WORD, STRAY = range(3, 11)  # `lastindex` of a match

SIDES = re.compile(rf"\(\s*+({RELATION})\s++({ATOM})\s++({ATOM})\s*+\)", re.ASCII)  # of a comparison token
COMMENT = re.compile(r'("[^"\n]*+")|;[^\n]*+')
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
LITERAL = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]([-+]?\d+))?", re.ASCII)
PLAIN = re.compile(r"-?\d+\.\d+", re.ASCII).fullmatch  # as nearly all of them are
SHORT = 40
LONGEST = 2000  # characters of a number, and its largest exponent: more than any float64 written in full


class Mistake(Exception):
    """What is wrong with the text; the reader adds the file and the line."""


def without_comments(text: str) -> str:
    """Every line stays a line. A semicolon in a string starts no comment."""
    return COMMENT.sub(lambda match: match[1] or "", text) if ";" in text else text


def is_number(word: str) -> bool:
    return word[0] in "0123456789+-."


def number(word: str) -> Decimal:
    """Exactly the number that is written."""
    if len(word) < SHORT and PLAIN(word):
        return Decimal(word)
    match = LITERAL.fullmatch(word) if len(word) <= LONGEST else None
    exponent = match[1] if match else ""
    if match is None or (exponent and (len(exponent) > 8 or abs(int(exponent)) > LONGEST)):
        raise Mistake(f"expected a number such as -1, 0.5 or 1e-05, found {quoted(word)}")
    return Decimal(word)


def quoted(word: object) -> str:
    """A word of the file within a message, in one short line."""
    text = str(word)
    return repr(text if len(text) <= 60 else text[:57] + "...")
