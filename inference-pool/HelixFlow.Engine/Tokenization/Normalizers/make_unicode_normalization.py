"""Writes unicode-normalization.txt: what Unicode's four normal forms need, from Python's copy of the Unicode database.

Run: python3 make_unicode_normalization.py > unicode-normalization.txt
Lines: "order FIRST LAST CLASS" (canonical combining class), "canonical CHAR PARTS", "compatible CHAR PARTS",
"excluded CHAR" (has a canonical decomposition but is never composed). Hangul syllables follow by rule.
"""
import sys
import unicodedata


def characters():
    return (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)


print(f"# Unicode {unicodedata.unidata_version}; made by make_unicode_normalization.py")
runs = []
for char in characters():
    order = unicodedata.combining(char)
    if order and runs and runs[-1][1] == ord(char) - 1 and runs[-1][2] == order:
        runs[-1][1] = ord(char)
    elif order:
        runs.append([ord(char), ord(char), order])
for first, last, order in runs:
    print(f"order {first:X} {last:X} {order}")
for char in characters():
    parts = unicodedata.decomposition(char).split()
    if parts and parts[0].startswith("<"):
        print("compatible", f"{ord(char):X}", *parts[1:])
    elif parts:
        print("canonical", f"{ord(char):X}", *parts)
        if unicodedata.normalize("NFC", char) != char:
            print(f"excluded {ord(char):X}")
