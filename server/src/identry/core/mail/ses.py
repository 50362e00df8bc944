"""Amazon SES v2 through boto3, in a thread: the client is synchronous."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from identry.core.mail.mime import Message
from identry.core.mail.transports import DeliveryError, Outcome

# The message or its recipient is at fault. Everything else (throttling, quota, credentials, an unverified sender
# domain, a paused account) heals by waiting or by an operator, so it is retried.
_PERMANENT = frozenset({"BadRequestException", "MessageRejected", "InvalidParameterValue"})


class SESTransport:
    """Sends the finished MIME bytes with `SendEmail` (raw content), up to `threads` at once.

    Credentials come from the constructor only; boto3's own search (environment, profiles, instance) is not used.
    """

    name = "ses"

    def __init__(
        self,
        *,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        endpoint_url: str | None = None,
        timeout: float = 15.0,
        threads: int = 4,
    ) -> None:
        # The outbox retries, so the client does not: one call is one attempt.
        config = Config(
            connect_timeout=min(timeout, 5.0),
            read_timeout=timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=threads,
        )
        session = boto3.session.Session(
            aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key, region_name=region
        )
        self._client: Any = session.client("sesv2", config=config, endpoint_url=endpoint_url)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ses")

    async def send(self, message: Message) -> Outcome:
        """Hand the message to SES.

        Raises:
            DeliveryError: SES refused it or did not answer.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._send, message)
        return Outcome.SENT

    async def close(self) -> None:
        """Close the connections; a call in flight ends by its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _send(self, message: Message) -> None:
        try:
            self._client.send_email(
                FromEmailAddress=message.sender,
                Destination={"ToAddresses": [message.recipient]},
                Content={"Raw": {"Data": message.mime}},
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            raise DeliveryError(f"ses_{code}"[:80], permanent=code in _PERMANENT) from None
        except BotoCoreError as error:
            raise DeliveryError(f"ses_{type(error).__name__}") from None
