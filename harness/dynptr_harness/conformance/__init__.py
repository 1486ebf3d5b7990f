"""What must hold: program types, cases, and the judging of what was seen. Pure: no I/O, no QEMU."""
