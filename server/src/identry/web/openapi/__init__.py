"""The API reference as data: an OpenAPI 3.1 document made from the operation table, and from nothing else.

What an operation can answer is derived: its guard, types, path and limits imply errors, its `errors` add the rest
(`answers`); schemas come from the msgspec types (`schemas`); every example is a value that its schema accepts
(`samples`); `catalogue` turns the same derivation into the list of error codes.
The order is that of the table, so the generated file changes only where the API does.
"""

from identry.web.openapi.answers import refusals
from identry.web.openapi.document import document

__all__ = ["document", "refusals"]
