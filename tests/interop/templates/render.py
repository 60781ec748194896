"""Renders templates with Python's jinja2, set up as transformers does: JSON lines {template, variables} in, {output} or {error} out."""
import json
import sys

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


def raise_exception(message):
    raise ValueError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps({"output": environment.from_string(case["template"]).render(**case["variables"])}), flush=True)
    except Exception as error:  # the other side wants to know that it failed, whatever the reason
        print(json.dumps({"error": str(error)}), flush=True)
