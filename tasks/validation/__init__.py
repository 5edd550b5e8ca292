"""How a batch is held against its expectations: by chunks where each row stands alone, else by whole columns."""
