#!/usr/bin/env python3
"""Works through the pending files of a session: worker.py SOCKET SESSION"""
import json, socket, sys, time
from urllib.parse import quote

def work(file):
    try:
        return {"lines": len(open(file, "rb").readlines())}
    except OSError as error:
        return {"error": str(error)}

def attach(path, session, token):
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(path)
    lines = channel.makefile("rw", encoding="utf-8", newline="\n")
    lines.write(f"GET /v1/sessions/{quote(session, safe='')}/attach?worker=python HTTP/1.1\r\nHost: sessiond\r\n"
                "Connection: Upgrade\r\nUpgrade: sessiond-channel/1\r\n")
    lines.write(f"Sessiond-Token: {token}\r\n\r\n" if token else "\r\n")
    lines.flush()
    status = lines.readline()
    while lines.readline().strip():  # the headers end with an empty line
        pass
    if status and " 101 " not in status:
        sys.exit(f"cannot attach: HTTP {status.split(' ', 1)[1].strip()}: {lines.readline()}")
    return lines

def messages(lines):
    for line in lines:
        message = json.loads(line)
        if message["type"] in ("error", "closing") and message["code"] not in ("detached", "shutting_down"):
            sys.exit(f"stopped: {message['detail']}")
        if message["type"] == "status" and message["status"] != "running":
            sys.exit(f"stopped: {message['status']}")
        yield message
    raise ConnectionError("the connection was lost")

def main(path, session, token=None):
    while True:
        try:  # After a lost connection, reconnect with the token. Files without an acknowledgement are still pending.
            lines = attach(path, session, token)
            received = messages(lines)
            attached = next(received)
            token = attached["token"]
            for seq, file in enumerate(attached["session"]["pending_files"], 1):
                report = {"type": "progress", "seq": seq, "processed": [file], "results": {file: work(file)}}
                lines.write(json.dumps(report) + "\n")
                lines.flush()
                while next(received)["type"] != "ack":  # durable
                    pass
            lines.write('{"type": "detach"}\n')
            lines.flush()
            return lines.read()
        except OSError as lost:
            if token is None:
                sys.exit(f"cannot connect: {lost}")
            time.sleep(0.2)

main(*sys.argv[1:])
