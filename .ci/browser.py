"""What the tests of the HTTP interface share: processes that end with the test, waiting, and a browser."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time

started, browsers = [], []


def start(*command, **options):
    process = subprocess.Popen(command, text=True, **options)
    started.append(process)
    return process


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def wait_for(what, check, patience=30):
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        if found := check():
            return found
        time.sleep(0.05)
    sys.exit(f"not within {patience} s: {what}")


def end():
    # The driver alone would leave its browser behind.
    for browser in list(browsers):
        browser.close()
    for process in reversed(started):
        process.kill()
        process.wait()


class Browser:
    """A browser behind the WebDriver protocol."""

    def __init__(self, *more):
        driver = start("chromedriver", "--port=0", stdout=subprocess.PIPE)
        found = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
        self.port = int(next(match for match in found if match)[1])
        threading.Thread(target=driver.stdout.read, daemon=True).start()
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        arguments += ["--host-resolver-rules=MAP *.example 127.0.0.1", *more]
        options = {"goog:chromeOptions": {"args": arguments}, "timeouts": {"script": 20000}}
        options["goog:loggingPrefs"] = {"browser": "ALL"}
        self.session = ""
        browsers.append(self)
        self.session = "/" + self.ask("", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def ask(self, command, body, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, f"/session{self.session}{command}", json.dumps(body) if body is not None else None)
        value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            sys.exit(f"browser, {command}: {value['message']}")
        return value

    def open(self, url):
        self.ask("/url", {"url": url})

    def run(self, script, *arguments):
        """→ what the script returns, run in the page that is open."""
        return self.ask("/execute/sync", {"script": script, "args": arguments})

    def fetch(self, url, method="GET", body=None, mode="cors"):
        """→ status and text of a fetch by the page that is open; 0 if the browser does not show them to it."""
        script = """const [url, options, done] = arguments;
            fetch(url, options).then(async answer => done([answer.status, await answer.text()]), () => done([0, '']));"""
        options = {"method": method, "mode": mode}
        if body is not None:
            options["body"] = body
        return tuple(self.ask("/execute/async", {"script": script, "args": [url, options]}))

    def close(self):
        browsers.remove(self)
        self.ask("", None, "DELETE")
