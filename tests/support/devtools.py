"""Drive a headless Chromium: go to a page, run script in it, put files into its inputs."""

import base64
import json
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import websocket
from browser import FLAGS, WINDOW, chromium


class Browser:
    def __init__(self, profile: Path) -> None:
        program = chromium()
        assert program is not None
        options = ("--remote-debugging-port=0", "--remote-allow-origins=*")
        self._process = subprocess.Popen(
            [program, *FLAGS, WINDOW, *options, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = self._port(profile / "DevToolsActivePort")
        self._socket = websocket.create_connection(self._page(port), timeout=90)
        self._number = 0
        self.console: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "DOM", "Network", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    def _port(file: Path) -> int:
        for _ in range(600):
            if file.exists() and (text := file.read_text()):
                return int(text.split()[0])
            time.sleep(0.1)
        raise AssertionError("Chromium did not start")

    @staticmethod
    def _page(port: int) -> str:
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=60) as answer:
            pages = json.load(answer)
        return str(next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv())
            if said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])
            self._note(said)

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.console.append(json.dumps(event["params"])[:500])
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"never happened: {script}"
            time.sleep(0.1)

    def choose(self, selector: str, file: Path) -> None:
        """As a person does with the file dialogue."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def drop(self, selector: str, file: Path) -> None:
        """As a person does with the mouse."""
        data = json.dumps(base64.b64encode(file.read_bytes()).decode())
        self.run(
            f"""(() => {{
              const bytes = Uint8Array.from(atob({data}), c => c.charCodeAt(0));
              const transfer = new DataTransfer();
              transfer.items.add(new File([bytes], {json.dumps(file.name)}));
              const options = {{ dataTransfer: transfer, bubbles: true, cancelable: true }};
              document.querySelector({json.dumps(selector)})
                .dispatchEvent(new DragEvent("drop", options));
            }})()"""
        )

    def picture(self, target: Path) -> None:
        target.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(30)
