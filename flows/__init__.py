"""When and why things happen: Prefect flows and the `holdfast` command. No pandas import."""

import os

# Nothing phones home, also in the server that Prefect starts as a child of ours; set before Prefect is imported.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
