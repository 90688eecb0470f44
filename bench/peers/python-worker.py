"""Reports files through the Python package for the benchmark: python-worker.py SOCKET SESSION wait|flight SECONDS

Prints how many reports became durable a second.
"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python" / "src"))
from sessiond import Client  # noqa: E402

socket_path, session, way, seconds = sys.argv[1:]
result = {"exit_code": 0, "duration_ms": 1234, "warnings": 2, "stdout": "2 problems (0 errors, 2 warnings), 1 fixable"}
with Client(socket_path).attach(session) as worker:
    begun = time.monotonic()
    count = 0
    for file in worker:
        worker.report(file, result, wait=way == "wait")
        count += 1
        if time.monotonic() - begun > float(seconds):
            break
    worker.flush()
    print(count / (time.monotonic() - begun))
