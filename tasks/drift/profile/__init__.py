"""The reference profile: rows of the reference per column and cell; `observe` counts a batch into the same cells."""

from tasks.drift.profile.cells import CategoryCells, Cells, Grid, NumericCells, Role
from tasks.drift.profile.files import OtherFormatError, read_profile, write_profile
from tasks.drift.profile.making import make_profile
from tasks.drift.profile.merging import OtherPipelineError, merged
from tasks.drift.profile.observing import observe
from tasks.drift.profile.profile import FORMAT, Block, Covariance, Declared, Profile
from tasks.drift.profile.summary import Moments, Summary

__all__ = [
    "FORMAT",
    "Block",
    "CategoryCells",
    "Cells",
    "Covariance",
    "Declared",
    "Grid",
    "Moments",
    "NumericCells",
    "OtherFormatError",
    "OtherPipelineError",
    "Profile",
    "Role",
    "Summary",
    "make_profile",
    "merged",
    "observe",
    "read_profile",
    "write_profile",
]
