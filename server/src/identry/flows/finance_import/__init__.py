"""finance_import: bring accounts and memberships over from a Finance database (contracts/platform-api.md §14).

Owns: the command `identry finance-migrate`; reading Finance's tables of users and memberships.
Never: writes to Finance; opens what was closed here (an account deactivated or rejected in Identry stays so), changes
an address or a password that was changed here, hands out a platform role or touches an account that has one.

`source` reads one consistent snapshot · `rows` makes typed values of what it holds · `decide` compares them with what
is here · `service` writes, batch by batch.
"""
