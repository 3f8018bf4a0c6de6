"""Who is on this picture? A small HTTP service: POST /identify with a file.

A gallery holds personal data: put this behind TLS and a login of your own.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, File, HTTPException, Request

from embedge.runtime import EmbedgeError, FaceMatcher, Gallery, identify_all


@asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[None]:
    """Once for all requests: matcher and gallery are safe to share between threads."""
    key = bytes.fromhex(os.environ["EMBEDGE_GALLERY_KEY"])
    with (
        FaceMatcher.load(os.environ["LOCK"], detector=os.environ.get("DETECTOR")) as matcher,
        Gallery.open(os.environ["GALLERY"], key=key) as gallery,
    ):
        app.state.matcher, app.state.gallery = matcher, gallery
        yield


def identified(request: Request, picture: Annotated[bytes, File()]) -> list[dict[str, Any]]:
    """Every face with its box and its decision; a plain def runs in a thread of its own."""
    state = request.app.state
    try:
        found = identify_all(state.matcher, state.gallery, picture)
    except EmbedgeError as error:
        raise HTTPException(422, {"code": error.code, "what": error.what}) from error
    return [
        {
            "box": list(face.face.box),
            "person": face.person,
            "refused": list(face.refused),
            "decision": face.found.to_json() if face.found else None,
        }
        for face in found
    ]


app = FastAPI(lifespan=opened)
app.add_api_route("/identify", identified, methods=["POST"])
