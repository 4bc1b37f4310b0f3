"""`python -m server.api`: writes the OpenAPI description to standard output, for `docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from server.api.routes import openapi

if __name__ == "__main__":
    sys.stdout.write(json.dumps(openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n")
