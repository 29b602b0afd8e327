"""Everything is broken for real: processes killed, sockets cut, servers that lie. See docs/reliability.md."""
