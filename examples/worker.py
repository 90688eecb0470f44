#!/usr/bin/env python3
"""Works through the pending files of a session: worker.py SOCKET SESSION (needs Debian's python3-websockets)"""
import asyncio, json, sys
from urllib.parse import quote
import websockets

def work(file):
    try:
        return {"lines": len(open(file, "rb").readlines())}
    except OSError as error:
        return {"error": str(error)}

async def main(path, session, token=None):
    url = f"ws://localhost/v1/sessions/{quote(session, safe='')}/attach?worker=python"
    while True:
        try:  # After a lost connection, reconnect with the token. Files without an acknowledgement are still pending.
            headers = {"Sessiond-Token": token} if token else {}
            async with websockets.unix_connect(path, url, extra_headers=headers, max_size=None) as channel:
                attached = json.loads(await channel.recv())
                token = attached["token"]
                for seq, file in enumerate(attached["session"]["pending_files"], 1):
                    report = {"type": "progress", "seq": seq, "processed": [file], "results": {file: work(file)}}
                    await channel.send(json.dumps(report))
                    while (message := json.loads(await channel.recv()))["type"] != "ack":  # durable
                        if message["type"] == "error" or message.get("status", "running") != "running":
                            sys.exit(f"stopped: {message.get('detail') or message.get('status')}")
                await channel.send(json.dumps({"type": "detach"}))
                return await channel.wait_closed()
        except websockets.InvalidHandshake as refusal:
            sys.exit(f"cannot attach: {refusal}")
        except (OSError, websockets.ConnectionClosed) as lost:
            if token is None:
                sys.exit(f"cannot connect: {lost}")
            await asyncio.sleep(0.2)

asyncio.run(main(*sys.argv[1:]))
