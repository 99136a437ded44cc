"""Refusals: whatever goes wrong becomes an error in OpenAI's form, and is counted."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from vl2.core.errors import VL2Error
from vl2.serve.metrics import Metrics
from vl2.serve.problems import Problem, unsupported
from vl2.serve.schema import Wire

_FORM = re.compile(r"constrained-str|str|list\[.*\]")  # which of several forms a place has, as pydantic names it


class ErrorDetail(Wire):
    """What was wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Wire):
    """An error in OpenAI's form."""

    error: ErrorDetail


def refusals() -> dict[int | str, dict[str, Any]]:
    """Return what the description of the API says of them."""
    codes = (400, 401, 404, 408, 413, 429, 500, 503, 504)
    return {code: {"model": ErrorBody, "description": HTTPStatus(code).phrase} for code in codes}


def add_refusals(app: FastAPI, metrics: Metrics) -> None:
    """Answer with a Problem whatever is raised."""

    def told(problem: Problem) -> Response:
        metrics.errors.labels(problem.code).inc()
        return JSONResponse(problem.body(), problem.status, headers=problem.headers)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return told(problem)

    @app.exception_handler(VL2Error)
    async def on_refusal(request: Request, error: VL2Error) -> Response:
        return told(Problem.of(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return told(_invalid(error))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        return told(Problem(error.status_code, f"{phrase}.", phrase.lower().replace(" ", "_")))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        return told(Problem(500, "Something broke on our side. It is in the server's log.", "internal_error"))


def _invalid(error: RequestValidationError) -> Problem:
    """Return what is wrong with a body, by its place: the first of the deepest, behind whichever form came closest."""
    first = max(error.errors(), key=lambda found: (len(found["loc"]), found["type"] != "string_type"))
    place = ".".join(str(part) for part in first["loc"][1:] if not _FORM.fullmatch(str(part)))
    if first["type"] == "extra_forbidden":
        return Problem(400, f"Unrecognized request argument supplied: {place}", "unknown_parameter", param=place)
    for found in error.errors():
        if found["type"] == "too_long" and not found["ctx"]["max_length"]:  # Nothing, as in schema.py
            return unsupported(".".join(str(part) for part in found["loc"][1:-1]))
    if first["type"] == "json_invalid":
        return Problem(400, "The body is no JSON.", "invalid_json")
    return Problem(400, f"{place or 'body'}: {first['msg']}.", "invalid_value", param=place or None)
