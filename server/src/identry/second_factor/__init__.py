"""What every flow that touches a second factor shares: is a code right, and what follows when the factor changes.

`proof.py` proves codes and counts wrong ones, `ticket.py` knows whose sign-in waits, `change.py` is what a change
entails: other sessions end, tokens of before are void, the user gets mail, the audit log a row. Never: decides who may
change a factor, or opens a session.
"""

from identry.second_factor.change import FactorChanged, FactorChanges
from identry.second_factor.proof import FactorUnreadable, Proof, SecondFactors, StaleTicket, WrongCode, locked
from identry.second_factor.ticket import FirstFactor, Waiting, waiting

__all__ = [
    "FactorChanged",
    "FactorChanges",
    "FactorUnreadable",
    "FirstFactor",
    "Proof",
    "SecondFactors",
    "StaleTicket",
    "Waiting",
    "WrongCode",
    "locked",
    "waiting",
]
