"""dev: what a developer would otherwise read in a real mailbox.

Owns: GET /dev/mail, /dev/mail/{id}, /dev/mail/{id}/html, /dev/mail.json. Mounted in development only: the mails hold
live reset links.
Never: changes anything; keeps mail of its own (it reads the outbox, which keeps payloads under `MailboxTransport`).
"""
