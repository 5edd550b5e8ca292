"""Replay: whole policies of retraining run over history, each day with what was known on it.

`arrivals` says which batches there are and when; `known` what could be learned from on a date; `making` trains what a
retrain would have trained then; `policies` decide when; `history` lets one policy live through all batches; `result`
compares them. Everything dear is kept by hash, so a second replay does no work.
"""
