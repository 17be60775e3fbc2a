"""A mail server that is not ours (aiosmtpd), for tests/it/aiosmtpd.rs: it demands TLS and a log-in, refuses nobody@orderbell.test,
and writes what it got as one JSON object a line, as Python's own mail parser reads it.

usage: mail_server.py implicit|starttls CERTIFICATE KEY USER PASSWORD
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, certificate, key, user, password = sys.argv[1:]
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)


def say(**what):
    print(json.dumps(what), flush=True)


def authenticate(server, session, envelope, mechanism, data):
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
    return AuthResult(success=is_right)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "nobody@orderbell.test":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        say(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            encrypted=session.ssl is not None or mode == "implicit",
            authenticated=session.authenticated,
            headers={name.lower(): str(value) for name, value in mail.items()},
            text=parts.get("text/plain"),
            html=parts.get("text/html"),
            defects=[str(defect) for part in mail.walk() for defect in part.defects],
        )
        return "250 OK"


def session():
    more = {"auth_require_tls": False} if mode == "implicit" else {"tls_context": tls, "require_starttls": True}
    return SMTP(Handler(), hostname="mail.test", authenticator=authenticate, auth_required=True, **more)


async def main():
    loop = asyncio.get_running_loop()
    wrapped = tls if mode == "implicit" else None
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=wrapped)
    say(port=server.sockets[0].getsockname()[1])
    # The test closes our input when it is done.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
