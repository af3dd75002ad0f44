"""Checks answers against an OpenAPI 3.1 document: the part of JSON Schema that ours uses; an unknown keyword fails."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime

KNOWN = {"$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "const", "oneOf", "pattern", "format",
         "minimum", "maximum", "minItems", "maxItems", "maxLength", "description"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


class OpenApi:
    def __init__(self, document: dict):
        self.document = document

    def operation(self, method: str, path: str) -> dict:
        for template, methods in self.document["paths"].items():
            pattern = "".join("[^/]+?" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template))
            if re.fullmatch(pattern, path) and method.lower() in methods:
                return methods[method.lower()]
        raise AssertionError(f"{method} {path} isn't in the document")

    def check(self, method: str, path: str, status: int, headers: dict[str, str], body: bytes) -> None:
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, f"{method} {path}: {status} isn't in the document: {body[:500]!r}"
        response = responses[str(status)]
        media = headers["content-type"].split(";")[0]
        assert media in response["content"], f"{media} isn't in the document"
        for name in response.get("headers", {}):
            if not (name == "Location" and "/control" in path):
                assert name.lower() in headers, f"{method} {path}: {status} without {name}"
        values = [json.loads(line) for line in body.splitlines()] if media == "application/x-ndjson" else [json.loads(body)]
        for value in values:
            self.valid(value, response["content"][media]["schema"], "")

    def valid(self, value, schema: dict, where: str) -> None:
        assert set(schema) <= KNOWN, f"keywords {set(schema) - KNOWN}"
        if "$ref" in schema:
            node = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            return self.valid(value, node, where)
        if "oneOf" in schema:
            errors = []
            for one in schema["oneOf"]:
                try:
                    self.valid(value, one, where)
                    errors.append("")
                except AssertionError as error:
                    errors.append(str(error))
            assert errors.count("") == 1, f"{where}: {errors}"
        if "const" in schema:
            assert value == schema["const"], f"{where}: {value!r}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r}"
        if "type" in schema:
            assert isinstance(value, TYPES[schema["type"]]) and not (schema["type"] == "integer" and isinstance(value, bool)), f"{where}: {value!r}"
        if isinstance(value, str):
            self._text(value, schema, where)
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.valid(item, schema.get("items", {}), f"{where}[{index}]")
        if isinstance(value, dict):
            for name in schema.get("required", ()):
                assert name in value, f"{where}.{name} is missing"
            for name, member in value.items():
                known = schema.get("properties", {})
                assert name in known or schema.get("additionalProperties", True), f"{where}.{name} isn't in the document"
                if name in known:
                    self.valid(member, known[name], f"{where}.{name}")
        return None

    @staticmethod
    def _text(value: str, schema: dict, where: str) -> None:
        if "pattern" in schema:
            assert re.search(schema["pattern"], value), f"{where}: {value!r}"
        if schema.get("format") == "uuid":
            uuid.UUID(value)
        if schema.get("format") == "date-time":
            datetime.fromisoformat(value.replace("Z", "+00:00"))
