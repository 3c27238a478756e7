"""As little of a browser as the admin needs: cookies, links and forms over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

SECONDS = 30


class Form:
    """One form of a page: where it goes, and what it would send."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


class _Reader(HTMLParser):
    """Collects the POST forms of a page, filled in as it came, and its links by their texts, and its style sheets."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.styles: dict[str, str] = {}
        self._link = self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        elif tag == "a":
            self._link = found.get("href", "")
        elif tag == "link" and found.get("rel") == "stylesheet":
            self.styles[found["href"].rpartition("/")[2]] = found["href"]
        elif tag == "input" and (found.get("type") not in ("radio", "checkbox") or "checked" in found):
            # A box without a value of its own sends this one.
            self._fill(found.get("name", ""), found.get("value", "on" if found.get("type") == "checkbox" else ""))
        elif tag == "select":
            self._select = found.get("name", "")
        elif tag == "option" and "selected" in found:
            self._fill(self._select, found["value"])
        elif tag == "textarea":
            self._area = found["name"]
            self._fill(self._area, "")

    def handle_endtag(self, tag: str) -> None:
        self._link = "" if tag == "a" else self._link
        self._area = "" if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._link and data.strip():
            self.links[data.strip()] = self._link
        if self._area:
            self.forms[-1].fields[self._area] += data

    def _fill(self, name: str, value: str) -> None:
        if name and self.forms:
            self.forms[-1].fields[name] = value


class Page:
    """A page that was answered, after all redirects."""

    def __init__(self, address: str, text: str) -> None:
        self.address, self.text = address, text
        reader = _Reader()
        reader.feed(text)
        self.forms, self.links, self.styles = reader.forms, reader.links, reader.styles


class Browser:
    """Looks at one site, and keeps its cookies."""

    def __init__(self, site: str) -> None:
        self.site = site
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def answers(self) -> bool:
        """Whether the site is up."""
        try:
            self.open("/admin/login/")
        except URLError:
            return False
        return True

    def open(self, address: str, fields: Mapping[str, str] | None = None) -> Page:
        """Get a page, or post fields. Raises ``HTTPError``."""
        url = urljoin(self.site, address)
        data = urlencode(fields).encode() if fields is not None else None
        with self._opener.open(Request(url, data, {"Referer": url}), timeout=SECONDS) as answer:  # noqa: S310 - our site
            return Page(answer.url, answer.read().decode())

    def follow(self, page: Page, link: str) -> Page:
        """Click a link by its text."""
        return self.open(urljoin(page.address, page.links[link]))

    def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Fill in the form whose action ends so, and send it."""
        (form,) = [form for form in page.forms if form.action.endswith(action)]
        return self.open(urljoin(page.address, form.action), form.fields | fields)

    def call(self, address: str, body: object, **headers: str) -> Any:
        """Post JSON; the JSON of the answer. Raises ``HTTPError``."""
        headers = {"Content-Type": "application/json", **headers}
        request = Request(urljoin(self.site, address), json.dumps(body).encode(), headers)  # noqa: S310 - our site
        with self._opener.open(request, timeout=SECONDS) as answer:
            return json.load(answer)
