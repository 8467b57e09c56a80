"""Files, fine-tuning jobs and models over HTTP.

Belongs here: routes and their parameters, statuses of refusals. Does not: authorization and chat (server), what happens
to a job (service, runner), its form (wire).
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from glow_pipelines.providers.local.tuning import files as kept
from glow_pipelines.providers.local.tuning import wire
from glow_pipelines.providers.local.tuning.asked import BadRequest, read_request
from glow_pipelines.providers.local.tuning.jobs import Job
from glow_pipelines.providers.local.tuning.multipart import BadForm, read_form
from glow_pipelines.providers.local.tuning.service import LocalTuning, NotNow

Handler = Callable[[Request], Awaitable[Response]]
_FORM_ROOM = 1 << 16
_LARGEST_BODY = 1 << 20
_FILTER = re.compile(r"metadata\[(.*)\]", re.DOTALL)


class TooLarge(ValueError):
    """More bytes than are taken."""


def tuning_routes(
    tuning: LocalTuning, embedded: Sequence[dict[str, Any]], guard: Callable[[Handler], Handler]
) -> list[Route]:
    """The routes; `embedded` are the model objects of what is served without training."""

    def job_route(path: str, method: str, handler: Callable[[Request, Job], Awaitable[Response]]) -> Route:
        async def find(request: Request) -> Response:
            job = tuning.jobs.get(request.path_params["id"])
            if job is None:
                return wire.refusal(404, f"no fine-tuning job {request.path_params['id'][:60]!r}")
            return await handler(request, job)

        return Route(path, guard(find), methods=[method])

    def asked_of_job(name: str, act: Callable[[Job], Job]) -> Route:
        async def handler(request: Request, job: Job) -> Response:
            try:
                return JSONResponse(wire.job_object(act(job)))
            except NotNow as error:
                return wire.refusal(400, str(error))

        return job_route(f"/v1/fine_tuning/jobs/{{id}}/{name}", "POST", handler)

    async def upload(request: Request) -> Response:
        try:
            form = read_form(request.headers.get("content-type", ""), await _read(request, kept.LARGEST + _FORM_ROOM))
        except TooLarge:
            return wire.refusal(413, f"file: at most {kept.LARGEST} bytes are taken", "file")
        except BadForm as error:
            return wire.refusal(400, str(error))
        file, purpose = form.get("file"), form.get("purpose")
        if file is None or file.filename is None:
            return wire.refusal(400, "file: a file with a name is needed", "file")
        if purpose is None or purpose.content != kept.UPLOADED.encode():
            return wire.refusal(400, f"purpose: use {kept.UPLOADED!r}", "purpose")
        if len(file.content) > kept.LARGEST:
            return wire.refusal(413, f"file: at most {kept.LARGEST} bytes are taken", "file")
        stored = await to_thread.run_sync(tuning.files.put, file.content, file.filename[:255], kept.UPLOADED)
        return JSONResponse(stored.to_wire())

    async def list_files(request: Request) -> Response:
        purpose, order = request.query_params.get("purpose"), request.query_params.get("order", "desc")
        found = [file.to_wire() for file in tuning.files.all() if purpose in (None, file.purpose)]
        return wire.page(found[::-1] if order == "asc" else found, request.query_params, most=10_000, usual=10_000)

    async def file(request: Request) -> Response:
        id = request.path_params["id"]
        found = tuning.files.get(id)
        if found is None:
            return wire.refusal(404, f"no file {id[:60]!r}", "id")
        if request.method == "DELETE":
            return JSONResponse({"id": id, "object": "file", "deleted": tuning.files.delete(id)})
        if request.url.path.endswith("/content"):
            return FileResponse(tuning.files.path(found), media_type="application/octet-stream")
        return JSONResponse(found.to_wire())

    async def create(request: Request) -> Response:
        if (missing := tuning.runner.trainer.refusal) is not None:
            return wire.refusal(403, missing, code="training_not_available")
        try:
            body = _json_object(await _read(request, _LARGEST_BODY))
            return JSONResponse(wire.job_object(tuning.create(read_request(body, tuning.models.chat_name))))
        except TooLarge:
            return wire.refusal(413, f"at most {_LARGEST_BODY} bytes are taken")
        except BadRequest as error:
            return wire.refusal(400, str(error), error.parameter)

    async def list_jobs(request: Request) -> Response:
        query = request.query_params
        wanted = {match[1]: value for key, value in query.items() if (match := _FILTER.fullmatch(key))}
        untagged = query.get("metadata") == "null"
        if wanted and untagged:
            return wire.refusal(400, "metadata: give null or keys, not both", "metadata")
        found = [
            wire.job_object(job)
            for job in tuning.jobs.all()
            if (job.metadata is None or not untagged)
            and all((job.metadata or {}).get(key) == value for key, value in wanted.items())
        ]
        return wire.page(found, query)

    async def retrieve(request: Request, job: Job) -> Response:
        return JSONResponse(wire.job_object(job))

    async def events(request: Request, job: Job) -> Response:
        return wire.page([wire.event_object(event) for event in tuning.jobs.events(job)[::-1]], request.query_params)

    async def checkpoints(request: Request, job: Job) -> Response:
        found = [wire.checkpoint_object(each) for each in tuning.models.checkpoints(job)]
        return wire.page(found, request.query_params, usual=10)

    async def models(request: Request) -> Response:
        data = [*embedded, *(wire.model_object(model) for model in tuning.models.all())]
        return JSONResponse({"object": "list", "data": data})

    async def model(request: Request) -> Response:
        name = request.path_params["name"]
        if (own := next((each for each in embedded if each["id"] == name), None)) is not None:
            if request.method == "DELETE":
                return wire.refusal(403, f"{name!r} is embedded and stays", "model")
            return JSONResponse(own)
        found = tuning.models.get(name)
        if found is None or (request.method == "DELETE" and not tuning.models.delete(name)):
            return wire.refusal(404, f"model: {name[:200]!r} is not served here", "model", "model_not_found")
        if request.method == "DELETE":
            return JSONResponse({"id": name, "object": "model", "deleted": True})
        return JSONResponse(wire.model_object(found))

    jobs = "/v1/fine_tuning/jobs"
    return [
        Route("/v1/files", guard(upload), methods=["POST"]),
        Route("/v1/files", guard(list_files), methods=["GET"]),
        Route("/v1/files/{id}", guard(file), methods=["GET", "DELETE"]),
        Route("/v1/files/{id}/content", guard(file), methods=["GET"]),
        Route(jobs, guard(create), methods=["POST"]),
        Route(jobs, guard(list_jobs), methods=["GET"]),
        job_route(f"{jobs}/{{id}}", "GET", retrieve),
        job_route(f"{jobs}/{{id}}/events", "GET", events),
        job_route(f"{jobs}/{{id}}/checkpoints", "GET", checkpoints),
        asked_of_job("cancel", tuning.cancel),
        asked_of_job("pause", tuning.pause),
        asked_of_job("resume", tuning.resume),
        Route("/v1/models", guard(models), methods=["GET"]),
        Route("/v1/models/{name:path}", guard(model), methods=["GET", "DELETE"]),
    ]


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge
    return bytes(body)


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadRequest("body", "an object of JSON is needed")
    return body
