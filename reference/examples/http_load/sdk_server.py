"""The Python SDK's own server with a handler that acknowledges: python sdk_server.py PORT [h2]

pip install avp[transport] uvicorn hypercorn
"""
import os
import sys

from avp.transport import create_app


async def acknowledge(message):
    return {"kept": False}


app = create_app(acknowledge)
port = int(sys.argv[1])
print(f"127.0.0.1:{port} {os.getpid()}", flush=True)
if sys.argv[2:] == ["h2"]:
    import asyncio

    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(serve(app, config))
else:
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
