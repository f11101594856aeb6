"""Laws that a cache keeps by itself, whatever another one does.

A law makes two scenarios of one, which are to come to the same on one implementation: prefill at
once and in chunks, going on with a cache and with its copy. So the reference can be asked as well
as the subject. Laws say only what the operations promise: see `docs/fuzzing.md`.
"""
