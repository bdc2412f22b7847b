"""How a person reads and writes through the page: nothing may be destroyed that they did not mean. See .ci/page."""

import pathlib
import tempfile

from browser import expect, expect_start, wait_for

ODD = ["plain", "a/b c", "grüße ☁", '"quoted" & \'so\'', "<script>document.title = 'taken'</script>", "100 %25", "..."]
VALUES = ["hello", "", "<img src=x onerror=\"document.title='taken'\">", "grüße\n☁ \"so\"", "</pre><script>document.title='taken'</script>"]
MISSING = "No such key. Press Create to make it."
ELSE = "Somebody else changed this key since you read it, and nothing was stored."


def data(page, node):
    for number, key in enumerate(ODD):
        value = VALUES[number % len(VALUES)]
        expect_start(f"create {key!r}", page.do("create", key, value), "Created: version ")
        expect_start(f"create {key!r} again", page.do("create", key, "other"), "This key exists already, and nothing was stored.")
        expect(f"what is shown of {key!r}", (page.field("value"), page.text("shown")), ("other", value or "(empty)"))
        expect_start("the stored one", page.press("theirs"), "This is the stored value.")
        expect_start(f"update {key!r}", page.do("update", key, value + "!"), "Replaced: version ")
        page.type_key("")
        expect_start(f"get {key!r}", page.do("get", key), "Read: version ")
        expect(f"what is shown of {key!r} now", page.field("value"), value + "!")
        expect_start(f"look up {key!r}", page.do("lookup", key), "Its id is ")
    expect_start("a key that no browser can name", page.do("get", ".."), "For a browser this key is a step")
    expect_start("no key", page.do("get", ""), "Type a key first.")
    listed = lambda: page.browser.run("return [...document.querySelectorAll('#keys button')].map(one => one.textContent)")
    wait_for("the keys held here are listed", lambda: set(listed()) == node.held())
    for key in ODD:
        expect_start(f"delete {key!r}", page.delete(key), "Deleted: ")
        expect(f"get {key!r}", page.do("get", key), MISSING)
    expect("no value has run", page.browser.run("return document.title").startswith("Sky 127.0.0.1:"), True)


def kept(page, node):
    """An update keeps type and time to live, unless the person changes them."""
    node.put("kept", b"{}", "application/json", Sky_TTL="500")
    expect_start("get", page.do("get", "kept"), "Read: version ")
    expect("type and time to live in the form", (page.field("type"), int(page.field("ttl")) in range(471, 501)), ("application/json", True))
    expect_start("update", page.do("update", "kept", "[1]"), "Replaced: version ")
    node.expect_stored("kept", b"[1]", "application/json", 500)
    page.fill("ttl", "900")
    expect_start("update with another time", page.do("update", "kept", "[2]"), "Replaced: version ")
    node.expect_stored("kept", b"[2]", "application/json", 900)
    page.fill("ttl", "")
    page.fill("type", "text/x-other")
    expect_start("update with another type, for ever", page.do("update", "kept"), "Replaced: version ")
    node.expect_stored("kept", b"[2]", "text/x-other")
    node.put("lines", b"one\r\ntwo")
    page.do("get", "lines")
    expect_start("update of lines", page.do("update", "lines", page.field("value") + "\nthree"), "Replaced: version ")
    node.expect_stored("lines", b"one\r\ntwo\r\nthree")
    page.fill("type", "text/plain; name=\"☁\"")
    page.click("[data-deed=update]")
    expect("a type that no request can carry", page.browser.run("return document.querySelector('#type:invalid') !== null"), True)
    node.expect_stored("lines", b"one\r\ntwo\r\nthree")


def missing(page, node):
    """An update of a key that is missing, or was not read, creates and changes nothing."""
    page.type_key("")
    expect("update of a missing key", page.do("update", "missing", "mine"), MISSING)
    expect("the missing key", node.ask("GET", "missing")[0], 404)
    expect("what was typed", page.field("value"), "mine")
    expect_start("create", page.do("create", "missing"), "Created: version ")
    page.type_key("")
    node.put("unread", b"stored", "text/x-stored", Sky_TTL="700")
    expect_start("update of what was not read", page.do("update", "unread", "mine"), "You have not read this key yet, and nothing was stored.")
    expect("both values", (page.field("value"), page.text("shown")), ("mine", "stored"))
    node.expect_stored("unread", b"stored", "text/x-stored", 700)
    expect_start("replace it", page.press("mine"), "Replaced: version ")
    node.expect_stored("unread", b"mine", "text/x-stored", 700)


def conflict(page, node):
    """Where somebody else was faster both values are shown, and nothing is stored before the person has chosen."""
    node.put("both", b"first")
    page.do("get", "both")
    node.put("both", b"theirs", "text/x-theirs", Sky_TTL="600")
    for _ in range(2):
        expect_start("a conflict", page.do("update", "both", "mine"), ELSE)
        expect("both values", (page.field("value"), page.text("shown"), page.shows("ways")), ("mine", "theirs", True))
    node.expect_stored("both", b"theirs", "text/x-theirs", 600)
    node.put("both", b"theirs again", "text/x-theirs", Sky_TTL="600")
    expect_start("somebody was faster again", page.press("mine"), ELSE)
    expect("both values again", (page.field("value"), page.text("shown")), ("mine", "theirs again"))
    expect_start("mine", page.press("mine"), "Replaced: version ")
    expect("one value is shown", (page.shows("stored"), page.shows("ways")), (False, False))
    node.expect_stored("both", b"mine", "text/x-theirs", 600)
    node.put("both", b"last")
    expect_start("a conflict", page.do("update", "both", "lost"), ELSE)
    expect_start("theirs", page.press("theirs"), "This is the stored value.")
    expect("the stored one", (page.field("value"), page.shows("stored")), ("last", False))
    node.expect_stored("both", b"last")
    expect_start("get beside what is not stored", page.do("get", "both", "draft"), "Read: version ")
    expect("the draft is kept", (page.field("value"), page.text("shown")), ("draft", "last"))
    expect("DELETE", node.ask("DELETE", "both")[0], 204)
    expect_start("update of what was deleted", page.do("update", "both"), "This key expired or was deleted since you read it")
    expect("it stays deleted", node.ask("GET", "both")[0], 404)
    expect_start("create it again", page.do("create", "both"), "Created: version ")
    node.expect_stored("both", b"draft")


def whole(page, node):
    """Large and binary values are downloaded or replaced by a file, never edited in part."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        page.browser.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        values = {"binary": bytes(range(256)), "large": b"x" * 20001, "line-ends": b"one\r\ntwo\n", "huge": bytes(1 << 20)}
        for key, body in values.items():
            node.put("small", b"small")
            page.do("get", "small")
            expect("a small value", page.field("value"), "small")
            node.put(key, body, "image/x-odd", Sky_TTL="800")
            expect_start(f"get {key}", page.do("get", key), "Read: version ")
            locked = page.browser.run("return document.getElementById('value').readOnly")
            expect(f"the box under {key}", (page.field("value"), locked), ("", True))
            expect_start(f"update {key} without a file", page.do("update", key), "This value cannot be edited here.")
            node.expect_stored(key, body, "image/x-odd", 800)
            page.click("#download")
            wait_for(f"{key} is downloaded", lambda: (folder / key).exists() and (folder / key).read_bytes() == body)
            new = folder / "new"
            new.write_bytes(body[1:] + b"\0")
            page.choose(new)
            expect_start(f"update {key} by a file", page.do("update", key), "Replaced: version ")
            node.expect_stored(key, body[1:] + b"\0", "image/x-odd", 800)
        node.expect_stored("small", b"small")
        expect_start("text in place of bytes", page.do("get", "binary"), "Read: version ")
        page.click("#text")
        expect_start("update by text", page.do("update", "binary", "text"), "Replaced: version ")
        node.expect_stored("binary", b"text", "image/x-odd", 800)
        new.write_bytes(b"\0" * ((1 << 20) + 1))
        page.choose(new)
        said = "The value has 1,048,577 bytes, the limit is 1,048,576 bytes: nothing was changed."
        expect("a file beyond the limit", page.do("update", "binary"), said)
        new.with_suffix(".png").write_bytes(b"\x89PNG")
        page.type_key("")
        page.choose(new.with_suffix(".png"))
        expect_start("create by a file", page.do("create", "picture"), "Created: version ")
        node.expect_stored("picture", b"\x89PNG", "image/png")


def another(page, node):
    """Another key clears what was read, also while an answer is on its way; the former key brings it back."""
    node.put("one", b"value of one", "text/x-one", Sky_TTL="500")
    page.do("get", "one")
    page.fill("value", "edited")
    form = lambda: [page.field(field) for field in ("value", "type", "ttl")]
    page.type_key("one2")
    expect("the form under another key", form(), ["", "", ""])
    page.type_key("one")
    expect("the form under the former key", form()[:2], ["edited", "text/x-one"])
    expect_start("update", page.do("update", "one"), "Replaced: version ")
    node.expect_stored("one", b"edited", "text/x-one", 500)
    page.type_key("")
    # Between the two nothing but promises has its turn, so the answer comes after the other key.
    script = """const [key, answers] = [document.getElementById('key'), () => performance.getEntriesByName(new URL('/storage/one', location)).length];
        const before = [window.asked.length, answers()];
        key.value = 'one';
        document.querySelector('[data-deed=get]').click();
        for (let turn = 0; turn < 20; turn++) await null;
        const sent = window.asked.length - before[0];
        key.value = 'two';
        key.dispatchEvent(new Event('input', { bubbles: true }));
        while (answers() === before[1]) await new Promise(done => setTimeout(done, 5));
        return sent;"""
    expect("requests on their way when another key is typed", page.browser.run(f"return (async () => {{ {script} }})()"), 1)
    page.browser.fetch("/healthz")  # What the late answer does is done by the time of the next one.
    expect("the form after a late answer", (page.field("key"), form(), page.text("outcome")), ("two", ["", "", ""], ""))


def unknown(page, node):
    """A write whose answer is lost can be repeated, also when another key is typed, and is applied once."""
    node.put("lost", b"before")
    page.do("get", "lost")
    lose = """const plain = window.fetch;
        window.fetch = async (...asked) => {
            window.fetch = plain;
            await plain(...asked);
            throw new TypeError('the answer is lost');
        };"""
    page.browser.run(lose)
    expect_start("an answer is lost", page.do("update", "lost", "after"), "The outcome is unknown")
    version = node.ask("GET", "lost")[1]["ETag"]
    page.type_key("elsewhere")
    page.fill("value", "kept")
    expect_start("the outcome when another key is typed", page.text("outcome"), "The outcome is unknown")
    expect_start("retry", page.press("repeat"), "lost: Replaced: version ")
    node.expect_stored("lost", b"after")
    expect("the version", node.ask("GET", "lost")[1]["ETag"], version)
    expect("the other key's form", (page.field("key"), page.field("value")), ("elsewhere", "kept"))
    page.fill("value", "")


def asks(page, node):
    """Delete asks, by keyboard too, and deletes only what it asked about."""
    node.put("asked", b"value")
    page.do("get", "asked")
    focused = "return document.activeElement.id || document.activeElement.value"
    for keys, stays in (("\ue00c", 200), ("\ue007", 200), ("\ue004\ue007", 404)):  # Escape; Enter; Tab, Enter
        page.browser.run("document.querySelector('[data-deed=delete]').focus()")
        page.keys("\ue007")
        wait_for("it is asked", lambda: page.shows("question"))
        expect("what is asked", page.text("question-text"), "Delete the key “asked” with its value (5 bytes of text/plain; charset=utf-8)?")
        expect("where the keyboard is", page.browser.run(focused), "no")
        expect("the key while it is asked", node.ask("GET", "asked")[0], 200)
        page.keys(*keys)
        expect_start("the answer", page.outcome("delete"), "Nothing was deleted." if stays == 200 else "Deleted: ")
        expect("the key after that", node.ask("GET", "asked")[0], stays)
        expect("the keyboard is back", page.browser.run("return document.activeElement.dataset.deed"), "delete")
    expect("delete of a missing key", page.do("delete", "asked"), "No such key: nothing to delete.")
    node.put("asked", b"value")
    page.type_key("")
    page.type_key("asked")
    page.click("[data-deed=delete]")
    wait_for("it is asked", lambda: page.shows("question"))
    node.put("asked", b"newer")
    expect_start("changed while it is asked", page.press("yes"), "Somebody else changed this key while you were asked, and nothing was deleted.")
    node.expect_stored("asked", b"newer")
