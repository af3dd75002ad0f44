"""A private orderclerk stack on this machine: PostgreSQL, Kafka, services and doubles, for demo, development and tests.

Everything that belongs to a stack lives in one folder (`state.Home`); only processes that it started are ever signalled,
known by pid and start time. The commands beside this package (`up`, `down`, `status`, `logs`, `demo`) and tests/lib/stack.py
are two faces of `stack.Stack`.
"""
