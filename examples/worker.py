#!/usr/bin/env python3
"""Works through the pending files of a session that it has for itself: worker.py SOCKET SESSION"""
import json, socket, sys, time, urllib.parse

def send(**message): connection.sendall(json.dumps(message).encode() + b"\n")

def until(wanted):  # the next message of this type
    for message in messages:
        kind, session = message["type"], message.get("session", message)
        if kind in ("attached", "status") and session["status"] != "running":
            send(type="detach"); list(messages)  # all that comes, until the daemon has closed
            sys.exit(f"stopped: the session is {session['status']}")
        if kind == wanted: return message
        if kind == "error" or message.get("code") not in (None, "internal", "shutting_down"):
            sys.exit(f"stopped: {message['detail']}")
    raise ConnectionError("the connection was lost")

name, token = urllib.parse.quote(sys.argv[2], safe=""), ""
while True:
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(sys.argv[1])
        messages = (json.loads(line) for line in connection.makefile("rb") if line.lstrip().startswith(b"{"))
        connection.sendall(f"GET /v1/sessions/{name}/attach?worker=python HTTP/1.1\r\nHost: sessiond\r\n"
                           f"Connection: Upgrade\r\nUpgrade: sessiond-channel/1\r\n{token}\r\n".encode())
        attached = until("attached")
        token = f"Sessiond-Token: {attached['token']}\r\n"
        for seq, file in enumerate(attached["session"]["pending_files"], 1):
            try: result = {"lines": len(open(file, "rb").readlines())}  # the work
            except Exception as error: result = {"error": str(error)}
            send(type="progress", seq=seq, processed=[file], results={file: result})
            until("ack")
        send(type="detach")
        if until("closing")["code"] == "detached": break
    except (OSError, ValueError) as lost:  # what was not acknowledged is pending still
        time.sleep(0.2) if token else sys.exit(f"cannot attach: {lost}")
