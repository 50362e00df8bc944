"""User agents in words."""

from __future__ import annotations

from rows import every

from identry.pages.devices import described

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
KNOWN = {
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/130.0 Safari/537.36": ("computer", "Chrome", "Windows"),
    f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/130 Safari/537 Edg/130": ("computer", "Edge", "Windows"),
    f"{MOZILLA} (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0": ("computer", "Firefox", "Linux"),
    f"{MOZILLA} (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605 Version/17.0 Safari/605": (
        "computer",
        "Safari",
        "macOS",
    ),
    f"{MOZILLA} (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Mobile/15 Safari/604": (
        "phone",
        "Safari",
        "iOS",
    ),
    f"{MOZILLA} (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 FxiOS/130 Mobile/15 Safari/604": (
        "phone",
        "Firefox",
        "iOS",
    ),
    f"{MOZILLA} (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/130.0 Mobile Safari/537.36": (
        "phone",
        "Chrome",
        "Android",
    ),
    f"{MOZILLA} (Linux; Android 14; SM-X200) {WEBKIT} SamsungBrowser/23 Chrome/115 Safari/537": (
        "tablet",
        "Samsung Internet",
        "Android",
    ),
    "curl/8.5.0": ("program", "curl", ""),
    "python-httpx2/2.0": ("program", "python-httpx2", ""),
}
NOTHING = ("unknown", "", "")


@every(("user_agent", "device"), KNOWN.items(), ids=lambda value: str(value)[-30:])
def test_a_device_is_named_as_its_owner_knows_it(user_agent: str, device: tuple[str, str, str]) -> None:
    found = described(user_agent)
    assert (found.kind, found.program, found.system) == device


@every("user_agent", [None, "", "Mozilla/5.0", "<script>alert(1)</script>", "\x00", "a" * 10_000])
def test_what_nobody_knows_is_repeated_nowhere(user_agent: str | None) -> None:
    found = described(user_agent)
    assert (found.kind, found.program, found.system) == NOTHING
