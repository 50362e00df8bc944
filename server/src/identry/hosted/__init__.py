"""What every way to sign in answers on a page: the browser's session in its cookie, or the page of the next step.

A room's page hands its service's call to `Hosted.arrive`; nothing here decides who may sign in. `Hosted.show` makes a
page look like the application that sent the person here. The twin of `identry.browser`, which answers scripts.
"""

from identry.hosted.asking import Asking, WhoAsks, nobody_asks
from identry.hosted.doors import Doors
from identry.hosted.pages import SET_UP, VERIFY, Hosted, Step, Steps
from identry.hosted.service import Settle

__all__ = ["SET_UP", "VERIFY", "Asking", "Doors", "Hosted", "Settle", "Step", "Steps", "WhoAsks", "nobody_asks"]
