"""A draft of a pipeline from a file: what `holdfast init` writes.

`sample_files` reads some rows as text, `draft_pipeline` says what they are, and `tasks.drafting.placing` writes the
draft into the project.
"""

from tasks.drafting.drafted import Draft, UndraftableError, draft_pipeline
from tasks.drafting.sample import Sample, SampleError, sample_files, sample_rows

__all__ = ["Draft", "Sample", "SampleError", "UndraftableError", "draft_pipeline", "sample_files", "sample_rows"]
