"""Whether answers are what conf/openapi.yaml says.

    client.witness = Witness()            # from then on every answer that the clients of tests get is looked at

An answer fails the test that asked for it (Undescribed) when its status, its type, a header or its body is not described: JSON by its schema
and without a name that stands twice in an object, a stream event by event. Who asks for a path or method that no operation has must get a
problem that any request may get.
"""
import functools
import json
import os
import re
import urllib.parse

import jsonschema
import yaml

import sse
from postgres import ROOT

DOCUMENT = os.path.join(ROOT, "conf", "openapi.yaml")
METHODS = ("get", "put", "post", "delete", "patch")
# Answered by the web server alone.
FRONT = ("/",)
# What a schema says to people, and what Parley's own patterns check better.
WORDS = ("description", "example", "default", "format")


class Undescribed(AssertionError):
    """The server does not do what its description says."""


def times_stay_text(loader):
    """A loader that knows no times."""
    resolvers = {first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
                 for first, known in loader.yaml_implicit_resolvers.items()}
    return type(loader.__name__, (loader,), {"yaml_implicit_resolvers": resolvers})


Loader = times_stay_text(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.lru_cache(maxsize=None)
def load():
    """The document as it stands."""
    with open(DOCUMENT, encoding="utf-8") as file:
        return yaml.load(file, Loader)


def operations():
    """(method, path, operation) of each, with {id} for every parameter of the path, as `parley routes` writes them."""
    for path, item in load()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), re.sub(r"{[^}]*}", "{id}", path), item[method]


def _by_type(validator, mapping, event, _):
    """The keyword `discriminator`: of the schemas of a oneOf the one that the value names is meant, and no other is tried."""
    named = event.get(mapping["propertyName"]) if isinstance(event, dict) else None
    if named in mapping["mapping"]:
        yield from validator.descend(event, mapping["mapping"][named])
    else:
        yield jsonschema.ValidationError(f"{named!r} is none of {', '.join(mapping['mapping'])}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"discriminator": _by_type})


def resolve(node):
    """What a reference leads to; anything else is itself."""
    while "$ref" in node:
        target = load()
        for word in node["$ref"].removeprefix("#/").split("/"):
            target = target[word]
        node = target
    return node


def plain(schema):
    """A schema without references and words."""
    schema = {key: value for key, value in resolve(schema).items() if key not in WORDS}
    for key, value in schema.items():
        if key == "properties":
            schema[key] = {name: plain(inner) for name, inner in value.items()}
        elif key in ("allOf", "oneOf"):
            schema[key] = [plain(inner) for inner in value]
        elif key == "items":
            schema[key] = plain(value)
    if "discriminator" in schema:
        mapping = {name: plain({"$ref": target}) for name, target in schema["discriminator"]["mapping"].items()}
        schema["discriminator"] = {**schema["discriminator"], "mapping": mapping}
        del schema["oneOf"]
    return schema


def unique(pairs):
    """An object whose names are all different."""
    names = dict(pairs)
    if len(names) < len(pairs):
        raise Undescribed(f"a name stands twice in {pairs}")
    return names


class Response:
    """One status of one operation, ready to be compared with answers."""

    def __init__(self, response):
        self.headers = [(name.lower(), header.get("required", False), header["schema"]["type"] == "integer" if "type" in header["schema"] else False,
                         Validator(plain(header["schema"])))
                        for name, header in ((name, resolve(header)) for name, header in response.get("headers", {}).items())]
        self.content = {kind: Validator(plain(media["schema"].get("contentSchema", media["schema"]))) for kind, media in response.get("content", {}).items()}
        self.statuses = response.get("x-statuses")

    def check(self, headers, body):
        """Why it is not what is described; a body of None is not looked at."""
        for name, required, is_number, validator in self.headers:
            value = headers.get(name)
            if value is None:
                if required:
                    return f"the header {name} is missing"
            elif not validator.is_valid(int(value) if is_number and value.isdigit() else value):
                return f"{name}: {value} is not described"
        kind = headers.get("content-type", "").partition(";")[0]
        if not self.content:
            return f"a body is not described: {kind}" if body else None
        if kind not in self.content:
            return f"the type {kind!r} is not described"
        return None if body is None else self.check_body(kind, body)

    def check_body(self, kind, body):
        """The same for the body alone."""
        if kind == "text/event-stream":
            events = sse.Parser().feed(body)
            return next(filter(None, (self.check_event(event.data) for event in events)), None)
        if kind.endswith("json"):
            return self._check_json(kind, body)
        return None

    def check_event(self, data):
        """The same for the data of one event."""
        return self._check_json("text/event-stream", data)

    def _check_json(self, kind, text):
        error = next(self.content[kind].iter_errors(json.loads(text, object_pairs_hook=unique)), None)
        return error and f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


class Witness:
    """Looks at answers."""

    def __init__(self):
        self.templates = {}
        for path, item in load()["paths"].items():
            segments = path.split("/")
            self.templates.setdefault(len(segments), []).append((segments, item))
        self.refused = Response(load()["components"]["responses"]["Refused"])
        self.responses = {}

    def answer(self, method, path, answer):
        """Raises Undescribed when the answer to a request is not described."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        path = path.partition("?")[0]
        if path in FRONT:
            return
        response = self.response(method, path, answer.status)
        reason = response.check(headers, None if method == "HEAD" else answer.body) if response else "the status is not described"
        if reason:
            raise Undescribed(f"{method} {path}: {answer.status}: {reason}: {answer}")

    def raw(self, sent, received):
        """The same for an exchange of bytes, where an answer came."""
        request = re.match(rb"([A-Z]+) (/[!-~]*) HTTP/1\.[01]\r\n", sent)
        head, end, body = received.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"HTTP/1."):
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in headers:
            method, path = (word.decode() for word in request.groups()) if request else ("", "")
            self.answer(method, path, RawAnswer(int(status.split()[1]), headers, body[:int(headers["content-length"])]))

    def stream(self, method, path, status, headers):
        """The same for the head of a stream; answers what is to be called with the data of each event."""
        response = self.response(method, path.partition("?")[0], status)
        reason = response.check({name.lower(): value for name, value in headers.items()}, None) if response else "the status is not described"
        if reason:
            raise Undescribed(f"{method} {path}: {reason}")

        def event(data):
            reason = response.check_event(data)
            if reason:
                raise Undescribed(f"{method} {path}: {reason}: {data}")
        return event

    def response(self, method, path, status):
        """What is described of a status, None when it is not."""
        operation = self.operation(method, path)
        key = (operation["operationId"] if operation else None, status)
        if key not in self.responses:
            self.responses[key] = self.make_response(operation, status)
        return self.responses[key]

    def make_response(self, operation, status):
        """The same, from the document."""
        described = operation["responses"] if operation else {}
        found = described.get(str(status)) or described.get(f"{status // 100}XX")
        if found:
            return Response(resolve(found))
        return self.refused if status in self.refused.statuses else None

    def operation(self, method, path):
        """The operation that a request means, or None."""
        segments = [urllib.parse.unquote(word) for word in path.split("/")]
        fitting = [(template, item) for template, item in self.templates.get(len(segments), ())
                   if all(word == given or (word[:1] == "{" and given) for word, given in zip(template, segments))]
        # A word wins over a parameter.
        _, item = min(fitting, key=lambda found: [word[:1] == "{" for word in found[0]], default=(None, {}))
        return item.get("get" if method == "HEAD" else method.lower())


class RawAnswer:
    """As much of an answer as a witness looks at."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"
