"""Walking through the pages of a list, for an iteration of either client."""

from __future__ import annotations

from identry_kit.client.call import Call
from identry_kit.client.config import Config
from identry_kit.client.members import list_users
from identry_kit.client.shapes import UserList

LARGEST_PAGE = 100


class UserPaging:
    """Where an iteration over the members stands. Holds a number, no page.

    It ends after the page that completes `total_count`, and after an empty one. Members who come or go meanwhile may
    be missed or seen twice: pages are counted, not remembered.
    """

    __slots__ = ("_config", "_is_over", "_page", "_page_size", "_search", "_seen")

    def __init__(self, config: Config, search: str, page_size: int) -> None:
        self._config = config
        self._search = search
        self._page_size = page_size
        self._page = 0
        self._seen = 0
        self._is_over = False

    def next_call(self) -> Call[UserList] | None:
        """The call for the next page, None after the last."""
        if self._is_over:
            return None
        self._page += 1
        return list_users(self._config, self._search, self._page, self._page_size)

    def took(self, page: UserList) -> UserList:
        """Count a page that came; hands it back."""
        self._seen += len(page.users)
        self._is_over = not page.users or self._seen >= page.total_count
        return page
