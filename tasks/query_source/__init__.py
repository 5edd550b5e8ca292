"""Landing from a database: a SELECT and a watermark in place of files; docs/query-source.md tells the rules."""

from tasks.query_source.connection import NoUrlError, QueryError, Secrets, no_secrets
from tasks.query_source.spool import new_rows
from tasks.query_source.watermarks import WatermarkError, watermark_of

__all__ = ["NoUrlError", "QueryError", "Secrets", "WatermarkError", "new_rows", "no_secrets", "watermark_of"]
