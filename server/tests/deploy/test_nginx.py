"""The nginx example, read by a real nginx and serving a real login, with the client's own address in the audit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from harness import PASSWORD, Servers, running
from services.certificates import self_signed
from services.ports import free_port
from services.program import is_open

pytestmark = pytest.mark.timeout(300)  # on a bare machine nginx is installed first

EXAMPLE = Path(__file__).parents[3] / "deploy/nginx/auth.conf.example"


@pytest.fixture(scope="module")
def nginx() -> str:
    """The program; installed when this is a bare Debian and we may."""
    if not shutil.which("nginx") and os.geteuid() == 0 and shutil.which("apt-get"):
        # RUNLEVEL=1: the package must not start a server of its own.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "nginx-light"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            for command in (install, ["apt-get", "update"], install):
                if not shutil.which("nginx"):
                    subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed and could not be")
    return found


class Site:
    """The example with addresses and certificates of this machine, in a folder of its own."""

    def __init__(self, program: str, folder: Path, upstream: int) -> None:
        self.plain, self.tls = free_port(), free_port()
        _, self.certificate = self_signed(folder)
        text = EXAMPLE.read_text()
        for pattern, value in (
            (r"listen 80;", f"listen 127.0.0.1:{self.plain};"),
            (r"listen 443 ssl http2;", f"listen 127.0.0.1:{self.tls} ssl http2;"),
            (r"server 127\.0\.0\.1:3097;", f"server 127.0.0.1:{upstream};"),
            (r"/etc/letsencrypt/live/auth\.example\.com/fullchain\.pem", str(self.certificate)),
            (r"/etc/letsencrypt/live/auth\.example\.com/privkey\.pem", str(folder / "key.pem")),
            (r"/var/www/certbot", str(folder)),
        ):
            text, found = re.subn(pattern, value, text)
            assert found, pattern
        (folder / "site.conf").write_text(text)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log;"
            f"events {{}} http {{ access_log off; {temporary} include {folder}/site.conf; }}"
        )
        self.command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        self.folder = folder


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certificate)
    return context


@pytest.fixture
def folder() -> Iterator[Path]:
    """nginx's workers are another user and must reach it."""
    path = Path(tempfile.mkdtemp(prefix="identry-nginx-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_nginx_accepts_the_example(nginx: str, folder: Path) -> None:
    site = Site(nginx, folder, upstream=3097)
    done = subprocess.run([*site.command, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_proxied_login_is_audited_with_the_client_s_address(nginx: str, folder: Path, servers: Servers) -> None:
    async with running(servers, TRUSTED_PROXY_CIDRS="127.0.0.1/32") as app:
        site = Site(nginx, folder, upstream=int(app.base_url.rpartition(":")[2]))
        process = subprocess.Popen([*site.command])
        try:
            async with asyncio.timeout(20):
                while not is_open(site.tls):
                    assert process.poll() is None, (folder / "error.log").read_text()
                    await asyncio.sleep(0.02)
            person = await app.make_user()
            transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.77", verify=trusting(site.certificate))
            async with httpx2.AsyncClient(transport=transport, base_url=f"https://127.0.0.1:{site.tls}") as client:
                claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
                credentials = {"email": person.email, "password": PASSWORD}
                reply = await client.post("/auth/login", json=credentials, headers=claims)
                assert reply.status_code == 200, reply.text
                assert "nginx/" not in reply.headers.get("server", "")
                assert reply.headers["strict-transport-security"]
                (row,) = await app.audit("auth.login.succeeded", target_user_id=person.id)
                assert row["ip"] == "127.0.0.77"

                bearer = {"Authorization": f"Bearer {reply.json()['data']['accessToken']}"}
                assert (await client.get("/auth/me", headers=bearer)).status_code == 200
                assert (await app.http.get("/manage/api/admin/users")).status_code == 401  # it is there …
                for path in ("/manage", "/manage/api/admin/users", "//manage/api/apps", "/x/../manage/", "/%6danage/"):
                    hidden = await client.get(httpx2.URL(str(client.base_url), raw_path=path.encode()))
                    assert hidden.status_code == 404, path
                too_large = await client.post("/auth/login", content=b" " * (1 << 20) + b"{}")
                assert too_large.status_code == 413

            plain = httpx2.AsyncHTTPTransport(local_address="127.0.0.77")
            async with httpx2.AsyncClient(transport=plain, base_url=f"http://127.0.0.1:{site.plain}") as client:
                moved = await client.get("/auth/me?x=1", headers={"Host": "auth.example.com"})
                assert moved.status_code == 301
                assert moved.headers["location"] == "https://auth.example.com/auth/me?x=1"
        finally:
            process.terminate()
            process.wait(20)
