"""Chromium's DevTools protocol over the pipe that it offers: JSON between NUL bytes, no port and no WebSocket.

`DevTools` is the connection, `Tab` one page; whatever else the protocol can do goes through `Tab.send`. Source:
https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

PATIENCE = 30.0
_LONGEST = 64 << 20


class DevToolsError(Exception):
    """The browser refused a command, or a script in a page threw."""


class DevTools:
    """A connection to one browser.

    Attributes:
        events: per session, what its page reported: `(method, params)`, oldest first.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.WriteTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self.events: dict[str, list[tuple[str, dict[str, Any]]]] = {}

    async def open(self, from_browser: int, to_browser: int) -> DevTools:
        """Talk over these file descriptors; they are closed with the connection."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LONGEST)
        source = open(from_browser, "rb", buffering=0)  # noqa: SIM115 - a descriptor; the transport closes it
        target = open(to_browser, "wb", buffering=0)  # noqa: SIM115
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        self._writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, target)
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command; its result.

        Raises:
            DevToolsError: the browser refused, or is gone.
        """
        assert self._writer is not None
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(message).encode() + b"\0")
        reply = await asyncio.wait_for(answer, PATIENCE)
        if "error" in reply:
            raise DevToolsError(f"{method}: {reply['error'].get('message')}")
        return dict(reply["result"])

    async def close(self) -> None:
        """End the browser and the connection."""
        assert self._writer is not None
        assert self._reading is not None
        self._writer.write(b'{"id":0,"method":"Browser.close"}\0')
        self._writer.close()
        await asyncio.wait_for(self._reading, PATIENCE)

    async def profile(self) -> str:
        """A browser profile of its own, as of another person: no cookies, no storage, no cache."""
        return str((await self.send("Target.createBrowserContext", disposeOnDetach=True))["browserContextId"])

    async def tab(self, profile: str) -> Tab:
        """A new tab of a profile."""
        made = await self.send("Target.createTarget", url="about:blank", browserContextId=profile)
        attached = await self.send("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        tab = Tab(self, str(attached["sessionId"]), str(made["targetId"]))
        for domain in ("Page", "Runtime", "Network"):
            await tab.send(f"{domain}.enable")
        return tab

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                message = json.loads((await reader.readuntil(b"\0"))[:-1])
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            if (waiting := self._waiting.pop(message.get("id", 0), None)) is not None:
                if not waiting.done():
                    waiting.set_result(message)
            elif "method" in message:
                self.events.setdefault(message.get("sessionId", ""), []).append((message["method"], message["params"]))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result({"error": {"message": "the browser is gone"}})


class Tab:
    """One tab. Selectors are CSS."""

    def __init__(self, devtools: DevTools, session: str, target: str) -> None:
        self._devtools = devtools
        self._session = session
        self._target = target

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the protocol, to this tab."""
        return await self._devtools.send(method, self._session, **params)

    def events(self, method: str) -> list[dict[str, Any]]:
        """What the page reported under this name so far, oldest first."""
        return [params for name, params in self._devtools.events.get(self._session, []) if name == method]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited; it counts as something the person did.

        Raises:
            DevToolsError: it threw.
        """
        done = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"]
            raise DevToolsError(thrown.get("exception", {}).get("description") or thrown["text"])
        return done["result"].get("value")

    async def until(self, script: str) -> Any:
        """The value of an expression once it is truthy; asked again across navigations.

        Raises:
            AssertionError: it never was; with what the page shows.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE
        value = None
        while not value:
            try:
                value = await self.run(script)
            except DevToolsError as error:  # the page is being replaced
                value, last = None, str(error)
            else:
                last = repr(value)
            if not value:
                if asyncio.get_running_loop().time() > deadline:
                    raise AssertionError(f"never true: {script} ({last}); the page shows:\n{await self.shown()}")
                await asyncio.sleep(0.03)
        return value

    async def shown(self) -> str:
        """All text that the page shows."""
        return str(await self.run("document.documentElement.innerText"))

    async def goto(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        went = await self.send("Page.navigate", url=url)
        if went.get("errorText"):
            raise DevToolsError(f"{url}: {went['errorText']}")
        await self.until("document.readyState === 'complete'")

    async def reload(self) -> None:
        """As the person's reload button."""
        await self.run("window.beforeReload = true")
        await self.send("Page.reload")
        await self.until("!window.beforeReload && document.readyState === 'complete'")

    async def fill(self, selector: str, text: str) -> None:
        """Type into a field, in place of what it holds."""
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.run(f"(e => {{ e.focus(); e.select() }})(document.querySelector({json.dumps(selector)}))")
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click something, once it is there and enabled."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{found} !== null && !{found}.disabled")
        await self.run(f"{found}.click()")

    async def text(self, selector: str) -> str:
        """The text of something, once it is there."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{found} !== null")
        return str(await self.run(f"{found}.innerText"))

    async def cookies(self, url: str) -> list[dict[str, Any]]:
        """What the browser would send to an address, with its attributes."""
        return list((await self.send("Network.getCookies", urls=[url]))["cookies"])

    async def close(self) -> None:
        """Close the tab."""
        await self._devtools.send("Target.closeTarget", targetId=self._target)
