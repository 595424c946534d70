"""One real browser window on the console: pictures, accessibility, policy violations and overflow in one object."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "test-artifacts"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Names and words that stay Latin on a Chinese screen.
LATIN = frozenset({"English", "API", "EZ", "Zhang", "Enter", "Gallery", "alice", "cashier"})
_WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@dataclass(frozen=True)
class Look:
    """How a screen is seen: theme, language and width."""

    theme: str
    language: str
    width: int

    @property
    def height(self) -> int:
        """A laptop screen or a phone."""
        return 900 if self.width >= 1024 else 844

    def __str__(self) -> str:
        return f"{self.theme}-{self.language}-{self.width}"


LOOKS = [
    Look(theme, language, width)
    for theme in ("light", "dark")
    for language in ("zh-hans", "zh-hant", "en")
    for width in (1440, 390)
]


@dataclass
class Screen:
    """A page in a look, with everything that went wrong on it."""

    page: Page
    base: str
    look: Look
    errors: list[str] = field(default_factory=list)

    def goto(self, path: str) -> int:
        """Open a path; wait until fonts, scripts and charts have settled. Returns the HTTP status."""
        answer = self.page.goto(self.base + path, wait_until="load")
        self.settle()
        assert answer is not None
        return answer.status

    def settle(self) -> None:
        """Wait until the page has drawn itself."""
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("() => document.fonts.ready")
        self.page.wait_for_timeout(450 if self.page.locator("[data-chart]").count() else 50)

    def shot(self, name: str, *, whole: bool = False) -> Path:
        """Save a picture as test-artifacts/<name>-<look>.png. Of a whole page it is taken from the top, where bars that stay
        in view are at their place."""
        PICTURES.mkdir(exist_ok=True)
        target = PICTURES / f"{name}-{self.look}.png"
        at = self.page.evaluate("scrollY") if whole else 0
        if at:
            self.page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
        self.page.screenshot(path=target, full_page=whole)
        if at:
            self.page.evaluate("at => scrollTo({top: at, behavior: 'instant'})", at)
        return target

    def axe(self) -> list[str]:
        """Run axe-core; each violation as "rule: the elements concerned"."""
        self.page.evaluate(AXE.read_text("utf-8"))
        result: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: "
            + " | ".join(f"{node['html'][:160]} {node['any'][:1]}" for node in each["nodes"][:4])
            for each in result["violations"]
        ]

    def policy_violations(self) -> list[str]:
        """What the Content-Security-Policy refused on this page."""
        return list(self.page.evaluate("() => window.__violations"))

    def overflow(self) -> list[str]:
        """Elements that make the page scroll sideways."""
        return list(
            self.page.evaluate(
                """() => {
                  const wide = document.documentElement.clientWidth;
                  if (document.documentElement.scrollWidth <= wide) return [];
                  return [...document.querySelectorAll('body *')].filter((el) => el.getBoundingClientRect().right > wide + 1)
                    .slice(0, 5).map((el) => el.outerHTML.slice(0, 120));
                }"""
            )
        )

    def untranslated(self, *, allowed: frozenset[str] = LATIN) -> list[str]:
        """English words on a Chinese screen: visible text and labels, except the allowed ones."""
        if not self.look.language.startswith("zh"):
            return []
        texts: list[str] = self.page.evaluate(
            """() => {
              const found = [document.title];
              const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              while (walker.nextNode()) {
                const node = walker.currentNode, parent = node.parentElement;
                if (!parent.closest('script, style, [lang=en], code, .mono')) found.push(node.textContent);
              }
              const spoken = ['aria-label', 'placeholder', 'title', 'data-error-network', 'data-error-server',
                'data-error-request', 'data-error-forbidden'];
              spoken.forEach((name) => document.querySelectorAll(`[${name}]`).forEach(
                (el) => found.push(el.getAttribute(name))));
              return found;
            }"""
        )
        words = {word for text in texts for word in re.findall(r"[A-Za-z][A-Za-z']{2,}", text)}
        return sorted(words - allowed)

    def problems(self, *, words: frozenset[str] = frozenset()) -> list[str]:
        """Everything that must be empty on every page in every look; `words` may stay Latin besides the usual ones."""
        return [
            *(f"axe {each}" for each in self.axe()),
            *(f"policy {each}" for each in self.policy_violations()),
            *(f"console {each}" for each in self.errors),
            *(f"overflow {each}" for each in self.overflow()),
            *(f"untranslated {each}" for each in self.untranslated(allowed=LATIN | words)),
        ]


def open_screen(browser: Browser, base: str, look: Look, *, session: str = "") -> Screen:
    """A fresh window in the look, signed in when a session key is given."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        device_scale_factor=2 if look.width < 1024 else 1,
        has_touch=look.width < 1024,
        reduced_motion="reduce",
        locale="en-GB",
    )
    cookies = {
        "shuke_theme": look.theme,
        "shuke_language": look.language,
        **({"sessionid": session} if session else {}),
    }
    context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    context.add_init_script(_WATCH)
    page = context.new_page()
    screen = Screen(page, base, look)
    page.on("pageerror", lambda error: screen.errors.append(f"{error}"))

    def collect(message: Any) -> None:
        # An error page is itself a failed request: the browser's note about it is no fault of the page.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            screen.errors.append(message.text)

    page.on("console", collect)

    def failed(request: Any) -> None:
        # A page that moves on, as after a sale, drops the request that told it to: no fault of the page either.
        if request.failure != "net::ERR_ABORTED":
            screen.errors.append(f"failed: {request.url} {request.failure}")

    page.on("requestfailed", failed)
    return screen
