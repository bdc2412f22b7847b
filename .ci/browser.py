"""What the tests of the HTTP interface share: processes that end with the test, waiting, and a browser."""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

started, browsers = [], []


def start(*command, **options):
    process = subprocess.Popen(command, text=True, **options)
    started.append(process)
    return process


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def expect_start(what, found, wanted):
    if not found.startswith(wanted):
        sys.exit(f"{what}: {found!r} instead of {wanted!r}...")


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

    def tell(self, command, **parameters):
        """→ what a command of the browser's own protocol answers."""
        return self.ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def shape(self, width, height):
        """Gives the page that much room, in pixels; that of a phone if it is narrow."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)


class Node:
    def __init__(self, skynode, *arguments):
        self.process = start(skynode, "-l", "127.0.0.1:0", *arguments, stderr=subprocess.PIPE)
        self.joined = None
        for line in self.process.stderr:
            if found := re.search(r"http://(127\.0\.0\.1:\d+)", line):
                self.addr = found[1]
                threading.Thread(target=self.listen, daemon=True).start()
                return
        sys.exit("the node did not start")

    def listen(self):
        for line in self.process.stderr:
            if "joined the ring" in line:
                self.joined = time.monotonic()

    def ask(self, method, key, body=None, **headers):
        """→ status, headers and body, as somebody gets them who does not use the page."""
        url = f"http://{self.addr}/storage/{urllib.parse.quote(key, safe='')}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def held(self):
        """→ the keys that it holds itself, owned or as copies."""
        with urllib.request.urlopen(f"http://{self.addr}/storage?limit=1000", timeout=10) as answer:
            return {entry["key"] for entry in json.load(answer)["keys"]}

    def put(self, key, body, kind="text/plain; charset=utf-8", **headers):
        expect(f"the status of PUT {key!r}", self.ask("PUT", key, body, Content_Type=kind, **headers)[0] in (201, 204), True)

    def expect_stored(self, key, body, kind="text/plain; charset=utf-8", ttl=None):
        """Also checks the time to live: within 30 s below what is given."""
        status, fields, found = self.ask("GET", key)
        expect(f"what is stored under {key!r}", (status, found, fields["Content-Type"]), (200, body, kind))
        left = fields["Sky-TTL"]
        expect(f"the time to live of {key!r}, {left}", left is None if ttl is None else left and ttl - 30 < int(left) <= ttl, True)


# Notes what the page asks for.
LISTEN = """const plain = window.fetch;
    window.asked = [];
    window.fetch = (target, options = {}) => {
        window.asked.push([(options.method ?? 'GET').toLowerCase(), String(target), Object.keys(options.headers ?? {})]);
        return plain(target, options);
    };"""
WAITS = ("", "Waiting for the answer…")


class Page:
    def __init__(self, browser, node):
        self.browser = browser
        browser.open(f"http://{node.addr}/")
        wait_for("the page knows its node", lambda: self.text("me") == node.addr)

    def text(self, element):
        return self.browser.run("return document.getElementById(arguments[0]).textContent", element)

    def nodes(self):
        return set(self.browser.run("return [...document.querySelectorAll('.node:not(.spoken)')].map(one => one.dataset.addr)"))

    def await_nodes(self, what, nodes, patience):
        begun = time.monotonic()
        wanted = {node.addr for node in nodes}
        wait_for(f"the page shows {what}", lambda: self.nodes() == wanted, patience)
        return time.monotonic() - begun

    def type_key(self, key):
        """As if it were typed into its field."""
        script = """const field = document.getElementById('key');
            if (field.value === arguments[0]) return;
            field.value = arguments[0];
            field.dispatchEvent(new Event('input', { bubbles: true }));"""
        self.browser.run(script, key)

    def fill(self, field, value):
        self.browser.run("document.getElementById(arguments[0]).value = arguments[1]", field, value)

    def field(self, field):
        return self.browser.run("return document.getElementById(arguments[0]).value", field)

    def shows(self, element):
        return self.browser.run("return document.getElementById(arguments[0]).checkVisibility()", element)

    def click(self, selector):
        self.browser.run("document.querySelector(arguments[0]).click()", selector)

    def outcome(self, what):
        return wait_for(f"{what} ends", lambda: (said := self.text("outcome")) not in WAITS and said)

    def do(self, deed, key, value=None):
        """Fills in the form and presses a button. → the outcome that is shown."""
        self.type_key(key)
        if value is not None:
            self.fill("value", value)
        self.click(f"[data-deed={deed}]")
        return self.outcome(f"{deed} {key!r}")

    def press(self, button):
        """→ the outcome of another button."""
        self.click(f"#{button}")
        return self.outcome(button)

    def delete(self, key):
        self.type_key(key)
        self.click("[data-deed=delete]")
        wait_for("it is asked", lambda: self.shows("question"))
        self.click("#yes")
        return self.outcome(f"delete {key!r}")

    def keys(self, *keys):
        """Presses keys of the keyboard."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.browser.ask("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def choose(self, file):
        """Chooses a file in the form."""
        element = self.browser.ask("/element", {"using": "css selector", "value": "#file"})
        self.browser.ask(f"/element/{next(iter(element.values()))}/value", {"text": str(file)})

    def log(self):
        return self.text("events")
