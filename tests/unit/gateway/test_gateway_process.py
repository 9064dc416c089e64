"""The gateway's process stays small: nothing in it can run a query."""

import subprocess
import sys

HEAVY = """
    duckdb deltalake arro3 ibis pyarrow pandas genai_prices pydantic httpx httpx2 starlette
    cryptography opentelemetry
"""


def test_the_gateway_imports_nothing_that_queries_or_that_is_slow():
    code = (
        "import sys, farthing.cli.gateway_process\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(HEAVY.split()) & set(done.stdout.split())
