#!/usr/bin/env python3
"""Works through the pending files of a session: worker.py SOCKET SESSION"""
import json, socket, sys, time
from urllib.parse import quote

def work(file):
    try:
        return {"lines": len(open(file, "rb").readlines())}
    except (OSError, ValueError) as error:
        return {"error": str(error)}

def send(channel, line):
    channel.write(line.encode() + b"\r\n")
    channel.flush()

def attach(path, session, token):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    channel = connection.makefile("rwb")
    send(channel, f"GET /v1/sessions/{quote(session, safe='')}/attach?worker=python HTTP/1.1")
    send(channel, "Host: sessiond\r\nConnection: Upgrade\r\nUpgrade: sessiond-channel/1")
    send(channel, f"Sessiond-Token: {token}\r\n" if token else "")
    status = channel.readline().decode()
    while len(channel.readline()) > 2: pass  # the headers end with an empty line
    if " 101 " in status: return channel
    if token and (" 503 " in status or not status): raise OSError("the daemon is stopping or starting")
    sys.exit(f"cannot attach: {status.strip()}: {channel.readline().decode()}")

def messages(channel):
    for line in channel:
        if not line.endswith(b"\n"): break  # cut off in the middle
        if not line.strip(): continue
        message = json.loads(line)
        kind, code = message["type"], message.get("code")
        if kind == "status" and message["status"] != "running": sys.exit(f"stopped: {message['status']}")
        if kind == "error" or kind == "closing" and code not in ("detached", "shutting_down"):
            sys.exit(f"stopped: {message['detail']}")
        yield message
    raise OSError("the connection was lost")

def main(path, session, token=None):
    while True:
        try:  # After a lost connection, come back with the token. What was not acknowledged is still pending.
            channel = attach(path, session, token)
            received = messages(channel)
            attached = next(received)
            token = attached["token"]
            for seq, file in enumerate(attached["session"]["pending_files"], 1):
                report = {"type": "progress", "seq": seq, "processed": [file], "results": {file: work(file)}}
                send(channel, json.dumps(report))
                while next(received)["type"] != "ack": pass  # it is durable
            send(channel, '{"type": "detach"}')
            return channel.read()
        except OSError as lost:
            if token is None: sys.exit(f"cannot connect: {lost}")
            time.sleep(0.2)

main(*sys.argv[1:])
