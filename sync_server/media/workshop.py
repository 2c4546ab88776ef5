"""Where pictures are written anew: a few threads of a process's own, so that a crowd of uploads
neither stops other answers nor fills the memory.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Final, ParamSpec, TypeVar

from fastapi import Depends, Request

PICTURES_AT_ONCE: Final = 2
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Workshop:
    """Whoever comes while all threads are busy waits for one."""

    def __init__(self, at_once: int = PICTURES_AT_ONCE) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="pictures")

    async def run(
        self,
        work: Callable[_Parameters, _Result],
        *arguments: _Parameters.args,
        **options: _Parameters.kwargs,
    ) -> _Result:
        job = partial(work, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)


def get_workshop(request: Request) -> Workshop:
    """Give the process's only workshop."""
    workshop = getattr(request.app.state, "workshop", None)
    if not isinstance(workshop, Workshop):
        workshop = Workshop()
        request.app.state.workshop = workshop
    return workshop


WorkshopDependency = Annotated[Workshop, Depends(get_workshop)]
