"""The pages that people see: texts by language, the brand they wear, templates, one stylesheet, one small script.

`catalog.py` holds the texts (`texts/{language}/*.toml`), `brand.py` makes a readable palette of any colour, `sheets.py`
turns a template into HTML. Never: sees a request, decides anything: what a page shows is decided by who renders it.
"""

from identry.pages.brand import Brand
from identry.pages.catalog import LANGUAGES, Catalog, Texts
from identry.pages.sheets import Sheets

__all__ = ["LANGUAGES", "Brand", "Catalog", "Sheets", "Texts"]
